package dns

import (
	"encoding/binary"
	"strings"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// message is an answer as far as it is needed. Records that cannot be read are left out.
type message struct {
	*dns.Msg // Extra has no OPT record; Rcode includes its part of the response code
	ede      []measurement.EDE
}

// parseState is how far a packet could be read.
type parseState int

const (
	unrelated parseState = iota // another id or another question, or not a response
	broken                      // answers the question, but breaks the protocol
	parsed
)

const (
	headerSize       = 12 // of a message (RFC 1035 §4.1.1)
	recordHeaderSize = 10 // of a record, after its owner (RFC 1035 §3.2.1)
	optionHeaderSize = 4  // of an option of an OPT record (RFC 6891 §6.1.2)
	optionEDE        = 15 // RFC 8914
)

// parse reads a packet as the answer to q. A packet with another id or question is a late answer to an earlier
// question, or a forgery, and is unrelated.
//
// Like libc, parse depends on the answer section only: it reads the other sections as far as it can. The reader of
// the library rejects the whole message for one record or option that it cannot read.
func parse(packet []byte, id uint16, q Query) (*message, parseState) {
	if len(packet) < headerSize || binary.BigEndian.Uint16(packet) != id || packet[2]&0x80 == 0 {
		return nil, unrelated
	}
	counts := func(n int) int { return int(binary.BigEndian.Uint16(packet[4+2*n:])) }
	header := append([]byte(nil), packet[:headerSize]...)
	clear(header[4:]) // without records, whose reading is done below
	m := &message{Msg: new(dns.Msg)}
	if m.Unpack(header) != nil {
		return nil, broken
	}
	if counts(0) == 0 && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return m, parsed // a server that fails before it has read the question need not repeat it
	}
	if m.Opcode != dns.OpcodeQuery || counts(0) != 1 {
		return nil, unrelated
	}
	name, at, err := dns.UnpackDomainName(packet, headerSize)
	if err != nil || len(packet) < at+4 {
		return nil, broken
	}
	typ, class := binary.BigEndian.Uint16(packet[at:]), binary.BigEndian.Uint16(packet[at+2:])
	if !strings.EqualFold(name, q.Name) || typ != q.Type || class != dns.ClassINET {
		return nil, unrelated
	}
	at += 4
	m.Question = []dns.Question{{Name: name, Qtype: typ, Qclass: class}}
	r := recordReader{packet: packet, at: at, message: m}
	if m.Answer = r.section(counts(1)); r.failed && !m.Truncated {
		return nil, broken // a truncated message may end within a record (RFC 2181 §9)
	}
	m.Ns = r.section(counts(2))
	m.Extra = r.section(counts(3))
	return m, parsed
}

// recordReader reads the records of a packet one after the other.
type recordReader struct {
	packet  []byte
	at      int // offset of the next record
	message *message
	failed  bool // the rest of the packet cannot be read
}

// section reads up to count records. It leaves out those whose content cannot be read, and ends early where the
// packet does.
func (r *recordReader) section(count int) (out []dns.RR) {
	for range count {
		rr, ok := r.next()
		if !ok {
			r.failed = true
			return out
		}
		if rr != nil {
			out = append(out, rr)
		}
	}
	return out
}

// next reads one record; rr is nil for an OPT record and for one that cannot be read.
func (r *recordReader) next() (rr dns.RR, ok bool) {
	if r.failed {
		return nil, false
	}
	_, at, err := dns.UnpackDomainName(r.packet, r.at)
	if err != nil || len(r.packet) < at+recordHeaderSize {
		return nil, false
	}
	typ := binary.BigEndian.Uint16(r.packet[at:])
	data := at + recordHeaderSize
	end := data + int(binary.BigEndian.Uint16(r.packet[data-2:]))
	if end > len(r.packet) {
		return nil, false
	}
	start := r.at
	r.at = end
	if typ == dns.TypeOPT {
		r.message.Rcode |= int(r.packet[at+4]) << 4 // RFC 6891 §6.1.3
		r.message.ede = edesOf(r.packet[data:end], r.message.ede)
		return nil, true
	}
	rr, next, err := dns.UnpackRR(r.packet, start)
	if err != nil || next != end {
		return nil, true
	}
	return rr, true
}

// edesOf appends the Extended DNS Errors of an OPT record's options (RFC 8914).
func edesOf(options []byte, out []measurement.EDE) []measurement.EDE {
	for len(options) >= optionHeaderSize && len(out) < maxEDE {
		code, length := binary.BigEndian.Uint16(options), int(binary.BigEndian.Uint16(options[2:]))
		options = options[optionHeaderSize:]
		if length > len(options) {
			break
		}
		if code == optionEDE && length >= 2 {
			out = append(out, measurement.EDE{Code: binary.BigEndian.Uint16(options), Text: measurement.Text(string(options[2:length]))})
		}
		options = options[length:]
	}
	return out
}
