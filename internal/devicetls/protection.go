package devicetls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/pion/dtls/v3/pkg/crypto/ccm"
	"github.com/pion/dtls/v3/pkg/crypto/prf"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Record content types (RFC 5246 §6.2.1).
const (
	RecordChangeCipherSpec = 20
	RecordAlert            = 21
	RecordHandshake        = 22
	RecordApplicationData  = 23
	RecordConnectionID     = 25 // a DTLS record that carries a connection id, see [Protection.SealConnectionID]
)

const (
	recordHeader = 5
	// MaxPlaintext is the longest content of a record, in bytes (RFC 5246 §6.2.1).
	MaxPlaintext = 1 << 14
	maxProtected = MaxPlaintext + 2048 // RFC 5246 §6.2.3
)

const (
	keyLength     = 16
	saltLength    = 4 // the implicit part of the nonce (RFC 5288 §3, RFC 6655 §3)
	explicitNonce = 8 // the part that is sent
	ccm8Tag       = 8
)

// Protection protects the records of one direction of a session. It is not safe for concurrent use.
type Protection struct {
	aead     cipher.AEAD
	salt     [saltLength]byte
	sequence uint64
}

// DeriveKeys derives the record protection of both directions from the master secret and the randoms (RFC 5246 §6.3).
// The suite is [SuiteCCM8] or [SuiteGCM].
func DeriveKeys(suite uint16, master, clientRandom, serverRandom []byte) (client, server *Protection, err error) {
	keys, err := prf.GenerateEncryptionKeys(master, clientRandom, serverRandom, 0, keyLength, saltLength, sha256.New)
	if err != nil {
		return nil, nil, fmt.Errorf("derive the record keys: %w", err)
	}
	if client, err = newProtection(suite, keys.ClientWriteKey, keys.ClientWriteIV); err != nil {
		return nil, nil, err
	}
	server, err = newProtection(suite, keys.ServerWriteKey, keys.ServerWriteIV)
	return client, server, err
}

func newProtection(suite uint16, key, salt []byte) (*Protection, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use a key: %w", err)
	}
	p := &Protection{salt: [saltLength]byte(salt)}
	switch suite {
	case SuiteCCM8:
		p.aead, err = ccm.NewCCM(block, ccm8Tag, saltLength+explicitNonce)
	case SuiteGCM:
		p.aead, err = cipher.NewGCM(block)
	default:
		return nil, malformed(measurement.DetailUnsupportedCipher, int(suite))
	}
	if err != nil {
		return nil, fmt.Errorf("use a key: %w", err)
	}
	return p, nil
}

// Overhead returns the number of bytes by which a protected record is longer than its payload.
func (p *Protection) Overhead() int { return explicitNonce + p.aead.Overhead() }

// additionalData returns the additional authenticated data of a record (RFC 5246 §6.2.3.3).
func additionalData(number uint64, contentType uint8, version uint16, length int) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 13), number)
	b = append(b, contentType)
	b = binary.BigEndian.AppendUint16(b, version)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

func (p *Protection) nonce(explicit []byte) []byte {
	return append(append(make([]byte, 0, saltLength+explicitNonce), p.salt[:]...), explicit...)
}

// seal appends the explicit nonce, which is the record number, and the encrypted payload.
func (p *Protection) seal(dst []byte, number uint64, payload, additional []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, number)
	return p.aead.Seal(dst, p.nonce(dst[len(dst)-explicitNonce:]), payload, additional)
}

// SealNumbered appends the protected content of a record without its header. The caller keeps the record number,
// which in DTLS is the epoch and the sequence number (RFC 6347 §4.1.2.1). The number is also the explicit nonce and
// must never be used twice.
func (p *Protection) SealNumbered(dst []byte, number uint64, contentType uint8, version uint16, payload []byte) []byte {
	return p.seal(dst, number, payload, additionalData(number, contentType, version, len(payload)))
}

// idPadding is the multiple to which a device pads the content of a record that carries a connection id.
const idPadding = 16

// SealConnectionID appends the protected content of a DTLS record that carries a connection id, without its header.
// The rules are those of draft-ietf-tls-dtls-connection-id-05 §5, which Mbed TLS 2.28 implements; those of RFC 9146
// differ.
func (p *Protection) SealConnectionID(dst []byte, number uint64, contentType uint8, version uint16, id, payload []byte) []byte {
	inner := append(append(make([]byte, 0, len(payload)+idPadding), payload...), contentType)
	for len(inner)%idPadding != 0 {
		inner = append(inner, 0)
	}
	additional := binary.BigEndian.AppendUint64(make([]byte, 0, 14+len(id)), number)
	additional = append(additional, RecordConnectionID)
	additional = binary.BigEndian.AppendUint16(additional, version)
	additional = append(append(additional, id...), byte(len(id)))
	additional = binary.BigEndian.AppendUint16(additional, uint16(len(inner)))
	return p.seal(dst, number, inner, additional)
}

// OpenNumbered returns the payload of a record's protected content. It returns [ErrNotVerified] if the content was not
// sealed with this key for that header.
func (p *Protection) OpenNumbered(number uint64, contentType uint8, version uint16, sealed []byte) ([]byte, error) {
	length := len(sealed) - p.Overhead()
	if length < 0 {
		return nil, ErrNotVerified
	}
	nonce := p.nonce(sealed[:explicitNonce])
	payload, err := p.aead.Open(nil, nonce, sealed[explicitNonce:], additionalData(number, contentType, version, length))
	if err != nil {
		return nil, ErrNotVerified
	}
	return payload, nil
}

// Seal appends the next protected TLS record, header included, to dst. The payload may have at most 2^14 bytes.
func (p *Protection) Seal(dst []byte, contentType uint8, payload []byte) []byte {
	dst = append(dst, contentType, 3, 3)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)+p.Overhead()))
	dst = p.SealNumbered(dst, p.sequence, contentType, Version, payload)
	p.sequence++
	return dst
}

// Open returns the content of the next TLS record, given with its header, which the caller has checked. It returns
// [ErrNotVerified] if the record was not sealed with this key as the next one.
func (p *Protection) Open(record []byte) ([]byte, error) {
	payload, err := p.OpenNumbered(p.sequence, record[0], Version, record[recordHeader:])
	if err != nil {
		return nil, err
	}
	p.sequence++
	return payload, nil
}
