package devicedtls

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

const (
	recordHeader  = 13
	maxRecord     = devicetls.MaxPlaintext + 2048 // RFC 6347 §4.1 and RFC 5246 §6.2.3
	messageHeader = 12                            // RFC 6347 §4.2.2
	maxSequence   = 1<<48 - 1
	// maxOverhead is the largest size of a record without its content: header, connection id, explicit nonce,
	// padding, and the tag of AES-GCM.
	maxOverhead = recordHeader + devicetls.MaxConnectionID + 8 + 16 + 16
)

// MaxDatagram is the size of the longest datagram worth reading: one record of the maximum length.
const MaxDatagram = recordHeader + maxRecord

// record is one DTLS record. Its body shares the datagram's bytes.
type record struct {
	contentType uint8
	version     uint16
	epoch       uint16
	number      uint64 // epoch and sequence number, as [devicetls.Protection] takes them
	body        []byte
}

// parseRecord splits the first record off a datagram; ok is false if it is not a record of DTLS 1.0 or 1.2.
func parseRecord(datagram []byte) (r record, rest []byte, ok bool) {
	s := cryptobyte.String(datagram)
	var body cryptobyte.String
	ok = s.ReadUint8(&r.contentType) && s.ReadUint16(&r.version) && s.ReadUint64(&r.number) && s.ReadUint16LengthPrefixed(&body) &&
		r.contentType >= devicetls.RecordChangeCipherSpec && r.contentType <= devicetls.RecordApplicationData &&
		(r.version == versionHello || r.version == Version) && len(body) <= maxRecord
	r.epoch, r.body = uint16(r.number>>48), body
	return r, s, ok
}

// replayWindow detects records that were received before (RFC 6347 §4.1.2.6). It has one bit for each of the last 64
// record numbers of an epoch, as that of a device.
type replayWindow struct {
	any     bool
	highest uint64
	seen    uint64 // bit n is the record highest-n
}

// fresh reports whether the record number is neither repeated nor older than the window.
func (w *replayWindow) fresh(number uint64) bool {
	if !w.any || number > w.highest {
		return true
	}
	age := w.highest - number
	return age < 64 && w.seen&(1<<age) == 0
}

// add marks a record number as received.
func (w *replayWindow) add(number uint64) {
	switch {
	case !w.any:
		w.any, w.highest, w.seen = true, number, 1
	case number > w.highest:
		w.seen = w.seen<<min(number-w.highest, 64) | 1
		w.highest = number
	default:
		w.seen |= 1 << (w.highest - number)
	}
}

// appendHeader appends a record header; id is the connection id of a record that carries one, length the size of what
// follows the header.
func appendHeader(b []byte, contentType uint8, version uint16, number uint64, id []byte, length int) []byte {
	b = append(b, contentType)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint64(b, number)
	b = append(b, id...)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

// message is a complete handshake message with its number.
type message struct {
	devicetls.Message
	seq uint16
}

// appendWhole appends the message in one fragment, the form that the transcript has (RFC 6347 §4.2.6).
func (m message) appendWhole(b []byte) []byte { return m.appendFragment(b, 0, len(m.Body)) }

// appendFragment appends the fragment of that offset and length.
func (m message) appendFragment(b []byte, offset, length int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(m.Type)<<24|uint32(len(m.Body)))
	b = binary.BigEndian.AppendUint16(b, m.seq)
	b = append(b, byte(offset>>16), byte(offset>>8), byte(offset))
	b = append(b, byte(length>>16), byte(length>>8), byte(length))
	return append(b, m.Body[offset:offset+length]...)
}
