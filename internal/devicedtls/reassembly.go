package devicedtls

import (
	"golang.org/x/crypto/cryptobyte"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// maxAhead is how far a message number may be ahead of the next expected one. The longest flight has seven messages.
const maxAhead = 8

// partial is a message of which some fragments were received.
type partial struct {
	message  message
	received []uint64 // a bitmap with one bit for each byte
	missing  int      // bytes
}

// reassembler reassembles messages from fragments in any order, repeated or overlapping (RFC 6347 §4.2.3), and returns
// them in the order of their numbers.
type reassembler struct {
	next     uint16 // number of the next message
	partials [maxAhead]*partial
	size     int // bytes of all partials
}

// fragment is one handshake fragment as it is in a record.
type fragment struct {
	messageType uint8
	length      int // of the whole message
	seq         uint16
	offset      int
	data        []byte
}

// parseFragment splits the first fragment off the body of a handshake record; ok is false if it is malformed.
func parseFragment(b []byte) (f fragment, rest []byte, ok bool) {
	s := cryptobyte.String(b)
	var length, offset uint32
	var data cryptobyte.String
	ok = s.ReadUint8(&f.messageType) && s.ReadUint24(&length) && s.ReadUint16(&f.seq) && s.ReadUint24(&offset) &&
		s.ReadUint24LengthPrefixed(&data)
	f.length, f.offset, f.data = int(length), int(offset), data
	return f, s, ok && f.offset+len(data) <= f.length
}

// add adds a fragment. A fragment is ignored if it is old, too far ahead, contradicts an earlier one, or belongs to a
// message with which the reassembler would keep more than [devicetls.MaxHandshake] bytes.
func (r *reassembler) add(f fragment) {
	ahead := int(f.seq) - int(r.next)
	if ahead < 0 || ahead >= maxAhead {
		return
	}
	p := r.partials[ahead]
	if p == nil {
		if r.size+f.length > devicetls.MaxHandshake {
			return
		}
		r.size += f.length
		p = &partial{
			message:  message{devicetls.Message{Type: f.messageType, Body: make([]byte, f.length)}, f.seq},
			received: make([]uint64, (f.length+63)/64),
			missing:  f.length,
		}
		r.partials[ahead] = p
	}
	if p.message.Type != f.messageType || len(p.message.Body) != f.length {
		return
	}
	for i, c := range f.data {
		at := f.offset + i
		if bit := uint64(1) << (at % 64); p.received[at/64]&bit == 0 {
			p.received[at/64] |= bit
			p.message.Body[at] = c
			p.missing--
		}
	}
}

// drop forgets the fragments of the next message, which came in one piece, and expects the message after it.
func (r *reassembler) drop() {
	if p := r.partials[0]; p != nil {
		r.size -= len(p.message.Body)
	}
	copy(r.partials[:], r.partials[1:])
	r.partials[maxAhead-1] = nil
	r.next++
}

// pop returns the next message once it is complete, and forgets it.
func (r *reassembler) pop() (message, bool) {
	p := r.partials[0]
	if p == nil || p.missing > 0 {
		return message{}, false
	}
	r.drop()
	return p.message, true
}
