package devicedtls

import (
	"encoding/binary"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// maxAhead is how far a message may be ahead of the one waited for. The longest flight has seven messages.
const maxAhead = 8

// partial is a message of which some fragments came.
type partial struct {
	message message
	have    []uint64 // one bit a byte
	missing int
}

// reassembler puts messages together from fragments that come in any order, repeated or overlapping (RFC 6347 §4.2.3),
// and gives them in the order of their numbers.
type reassembler struct {
	next  uint16 // number of the message waited for
	parts [maxAhead]*partial
	kept  int // bytes of all parts
}

// fragment is one handshake fragment as it stands in a record.
type fragment struct {
	kind   uint8
	length int // of the whole message
	seq    uint16
	offset int
	data   []byte
}

// cutFragment splits the first fragment off a handshake record's body; ok is false if it is none.
func cutFragment(b []byte) (f fragment, rest []byte, ok bool) {
	if len(b) < messageHeader {
		return fragment{}, nil, false
	}
	u24 := func(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
	f = fragment{kind: b[0], length: u24(b[1:]), seq: binary.BigEndian.Uint16(b[4:]), offset: u24(b[6:])}
	n := u24(b[9:])
	if n > len(b)-messageHeader || f.offset+n > f.length {
		return fragment{}, nil, false
	}
	f.data = b[messageHeader : messageHeader+n]
	return f, b[messageHeader+n:], true
}

// add takes a fragment. One that is old, too far ahead or at odds with an earlier one is passed over.
func (r *reassembler) add(f fragment) error {
	ahead := int(f.seq) - int(r.next)
	if ahead < 0 || ahead >= maxAhead {
		return nil
	}
	p := r.parts[ahead]
	if p == nil {
		if r.kept+f.length > devicetls.MaxHandshake {
			return devicetls.ErrTooLarge
		}
		r.kept += f.length
		p = &partial{
			message: message{devicetls.Message{Type: f.kind, Body: make([]byte, f.length)}, f.seq},
			have:    make([]uint64, (f.length+63)/64),
			missing: f.length,
		}
		r.parts[ahead] = p
	}
	if p.message.Type != f.kind || len(p.message.Body) != f.length {
		return nil
	}
	for i, c := range f.data {
		at := f.offset + i
		if bit := uint64(1) << (at % 64); p.have[at/64]&bit == 0 {
			p.have[at/64] |= bit
			p.message.Body[at] = c
			p.missing--
		}
	}
	return nil
}

// pop gives the message waited for once it is whole. What was given is no longer kept.
func (r *reassembler) pop() (message, bool) {
	p := r.parts[0]
	if p == nil || p.missing > 0 {
		return message{}, false
	}
	copy(r.parts[:], r.parts[1:])
	r.parts[maxAhead-1] = nil
	r.next++
	r.kept -= len(p.message.Body)
	return p.message, true
}
