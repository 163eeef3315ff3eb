package devicedtls

import "encoding/binary"

// Record content types (RFC 5246 §6.2.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23
)

const (
	recordHeader    = 13
	maxRecord       = 1<<14 + 2048 // RFC 6347 §4.1 and RFC 5246 §6.2.3
	messageHeader   = 12
	maxSequence     = 1<<48 - 1
	explicitNonce   = 8
	tagLength       = 8
	sealedOverhead  = recordHeader + explicitNonce + tagLength
	alertWarning    = 1
	alertFatal      = 2
	alertCloseNotfy = 0
)

// MaxDatagram is the longest datagram worth reading: one record of the greatest length.
const MaxDatagram = recordHeader + maxRecord

// record is one DTLS record; raw and body share the datagram's bytes.
type record struct {
	kind  uint8
	epoch uint16
	seq   uint64
	raw   []byte // header and body
	body  []byte
}

// cut splits the first record off a datagram. ok is false if what is there is no record of DTLS 1.0 or 1.2.
func cut(datagram []byte) (r record, rest []byte, ok bool) {
	if len(datagram) < recordHeader {
		return record{}, nil, false
	}
	kind, major, minor := datagram[0], datagram[1], datagram[2]
	length := int(binary.BigEndian.Uint16(datagram[11:]))
	if kind < recordChangeCipherSpec || kind > recordApplicationData || major != 0xfe || minor != 0xff && minor != 0xfd ||
		length > maxRecord || len(datagram) < recordHeader+length {
		return record{}, nil, false
	}
	numbers := binary.BigEndian.Uint64(datagram[3:])
	return record{
		kind: kind, epoch: uint16(numbers >> 48), seq: numbers & maxSequence,
		raw:  datagram[:recordHeader+length],
		body: datagram[recordHeader : recordHeader+length],
	}, datagram[recordHeader+length:], true
}

// appendHeader appends a record's header; the length is of what follows it.
func appendHeader(b []byte, kind uint8, version, epoch uint16, seq uint64, length int) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(epoch)<<48|seq&maxSequence)
	return binary.BigEndian.AppendUint16(b, uint16(length))
}

// Message is one whole handshake message.
type Message struct {
	Type uint8
	Seq  uint16
	Body []byte
}

// Size is the length of the message with its header.
func (m Message) Size() int { return messageHeader + len(m.Body) }

// appendWhole appends the message as the transcript takes it: as if it had been sent in one fragment (RFC 6347 §4.2.6).
func (m Message) appendWhole(b []byte) []byte { return m.appendFragment(b, 0, len(m.Body)) }

// appendFragment appends the part of the message from offset on.
func (m Message) appendFragment(b []byte, offset, length int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(m.Type)<<24|uint32(len(m.Body)))
	b = binary.BigEndian.AppendUint16(b, m.Seq)
	b = append(b, byte(offset>>16), byte(offset>>8), byte(offset))
	b = append(b, byte(length>>16), byte(length>>8), byte(length))
	return append(b, m.Body[offset:offset+length]...)
}
