package lab

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/pion/dtls/v3/pkg/crypto/ccm"
)

// TLS record content types (RFC 5246 §6.2.1).
const (
	contentChangeCipherSpec byte = 20
	contentAlert            byte = 21
	contentHandshake        byte = 22
	contentApplicationData  byte = 23
)

const (
	recordHeader = 5
	maxPlaintext = 1 << 14             // RFC 5246 §6.2.1
	maxRecord    = maxPlaintext + 2048 // RFC 5246 §6.2.3
	maxMessage   = 1 << 16             // of a handshake message: no client's flight comes near
	ccmExplicit  = 8                   // bytes of nonce sent with each record (RFC 6655 §3)
	ccmTag       = 8                   // the _8 in the suite's name
)

// protection is one direction of AES-128-CCM-8 (RFC 6655, RFC 7251). It is independent of the exporter's own code,
// so that no mistake is in both.
type protection struct {
	aead     cipher.AEAD
	salt     []byte // 4 bytes of implicit nonce
	sequence uint64
}

func newProtection(key, salt []byte) (*protection, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := ccm.NewCCM(block, ccmTag, len(salt)+ccmExplicit)
	if err != nil {
		return nil, err
	}
	return &protection{aead: aead, salt: salt}, nil
}

// additional is the authenticated data of RFC 5246 §6.2.3.3 for a plaintext of that length.
func (p *protection) additional(content byte, length int) []byte {
	b := binary.BigEndian.AppendUint64(nil, p.sequence)
	return binary.BigEndian.AppendUint16(append(b, content, 3, 3), uint16(length))
}

func (p *protection) seal(content byte, plaintext []byte) []byte {
	explicit := binary.BigEndian.AppendUint64(nil, p.sequence)
	nonce := append(append([]byte(nil), p.salt...), explicit...)
	sealed := p.aead.Seal(explicit, nonce, plaintext, p.additional(content, len(plaintext)))
	p.sequence++
	return sealed
}

func (p *protection) open(content byte, sealed []byte) ([]byte, error) {
	if len(sealed) < ccmExplicit+ccmTag {
		return nil, fmt.Errorf("protected record of %d bytes is too short", len(sealed))
	}
	nonce := append(append([]byte(nil), p.salt...), sealed[:ccmExplicit]...)
	plaintext, err := p.aead.Open(nil, nonce, sealed[ccmExplicit:], p.additional(content, len(sealed)-ccmExplicit-ccmTag))
	if err != nil {
		return nil, fmt.Errorf("open record %d: %w", p.sequence, err)
	}
	p.sequence++
	return plaintext, nil
}

// records is a TLS 1.2 connection cut into records, protected once keys are set.
type records struct {
	conn    net.Conn
	in, out *protection // nil: plaintext
	pending []byte      // handshake bytes read and not yet consumed
}

// alertError is a TLS alert that the peer sent.
type alertError struct{ level, description byte }

func (e alertError) Error() string {
	return fmt.Sprintf("peer sent alert %d (level %d)", e.description, e.level)
}

// closeNotify is the alert that ends a session (RFC 5246 §7.2.1).
const closeNotify byte = 0

var errUnexpectedRecord = errors.New("unexpected record")

// read returns the next record, opened. An alert comes back as an alertError.
func (r *records) read() (content byte, data []byte, err error) {
	var header [recordHeader]byte
	if _, err := io.ReadFull(r.conn, header[:]); err != nil {
		return 0, nil, err
	}
	content = header[0]
	length := int(binary.BigEndian.Uint16(header[3:]))
	if content < contentChangeCipherSpec || content > contentApplicationData || header[1] != 3 || length > maxRecord {
		return 0, nil, fmt.Errorf("%w: header % x", errUnexpectedRecord, header)
	}
	data = make([]byte, length)
	if _, err := io.ReadFull(r.conn, data); err != nil {
		return 0, nil, err
	}
	if r.in != nil {
		if data, err = r.in.open(content, data); err != nil {
			return 0, nil, err
		}
	}
	if content == contentAlert {
		if len(data) != 2 {
			return 0, nil, fmt.Errorf("%w: alert of %d bytes", errUnexpectedRecord, len(data))
		}
		return 0, nil, alertError{data[0], data[1]}
	}
	return content, data, nil
}

// write sends data in as many records as it takes, in one write.
func (r *records) write(content byte, data []byte) error {
	var wire []byte
	for first := true; first || len(data) > 0; first = false {
		part := data[:min(len(data), maxPlaintext)]
		data = data[len(part):]
		if r.out != nil {
			part = r.out.seal(content, part)
		}
		wire = append(wire, content, 3, 3)
		wire = binary.BigEndian.AppendUint16(wire, uint16(len(part)))
		wire = append(wire, part...)
	}
	_, err := r.conn.Write(wire)
	return err
}

// alert sends a fatal alert, or a warning for close_notify.
func (r *records) alert(description byte) error {
	level := byte(2)
	if description == closeNotify {
		level = 1
	}
	return r.write(contentAlert, []byte{level, description})
}

// message returns the next handshake message, put together from as many records as it came in. whole is the message
// with its header, as the transcript takes it.
func (r *records) message() (kind byte, body, whole []byte, err error) {
	const header = 4
	need := header
	for len(r.pending) < need {
		content, data, err := r.read()
		if err != nil {
			return 0, nil, nil, err
		}
		if content != contentHandshake {
			return 0, nil, nil, fmt.Errorf("%w: content type %d within the handshake", errUnexpectedRecord, content)
		}
		r.pending = append(r.pending, data...)
		if len(r.pending) >= header {
			need = header + int(r.pending[1])<<16 + int(r.pending[2])<<8 + int(r.pending[3])
		}
		if need > maxMessage {
			return 0, nil, nil, fmt.Errorf("%w: handshake message of %d bytes", errUnexpectedRecord, need)
		}
	}
	whole, r.pending = r.pending[:need:need], r.pending[need:]
	return whole[0], whole[header:], whole, nil
}
