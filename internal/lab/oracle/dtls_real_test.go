//go:build realpeers

package oracle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	datagramHeader = 13 // of a record (RFC 6347 §4.1)
	fragmentHeader = 12 // of a handshake message (RFC 6347 §4.2.2)
)

// dtlsWire is a session over UDP. The server sends a flight again when the client repeats its own; it has no timer.
type dtlsWire struct {
	*session
	conn    *net.UDPConn
	to      netip.AddrPort
	in      chan []byte
	life    <-chan time.Time
	rest    []byte // of the datagram being read
	queue   []byte // fragments of the record being read
	epoch   uint16 // of what is sent
	numbers [2]uint64
	next1   uint16 // number of the next message to send
	due     uint16 // number of the client's next message
	partial []byte // its body so far
	flights int
	last    []numbered // the flight sent last
	cidOn   bool       // the client's records carry our connection id
}

// numbered is a record of a flight, with its epoch.
type numbered struct {
	outgoing
	epoch uint16
}

func (w *dtlsWire) frame(kind byte, body []byte) []byte {
	sequence := w.due - 1 // of a message that was read, unless it is one of ours
	return frameDTLS(kind, sequence, body)
}

func frameDTLS(kind byte, sequence uint16, body []byte) []byte {
	n := len(body)
	length := []byte{byte(n >> 16), byte(n >> 8), byte(n)}
	return slices.Concat([]byte{kind}, length, []byte{byte(sequence >> 8), byte(sequence), 0, 0, 0}, length, body)
}

// ours is a message to send, with the next number.
func (w *dtlsWire) ours(kind byte, body []byte) []byte {
	sequence := w.next1
	w.next1++
	if w.sequence != nil {
		sequence = w.sequence(sequence)
	}
	return frameDTLS(kind, sequence, body)
}

// errEnded means that the session's time or the server ended.
var errEnded = errors.New("the session ended")

// next reads the next record that can be opened.
func (w *dtlsWire) next() (content byte, body []byte, err error) {
	for {
		content, body, _, err := w.record()
		if err != nil {
			return 0, nil, err
		}
		if content == recordHandshake { // the client repeats its last flight
			if err := w.resend(); err != nil {
				return 0, nil, err
			}
			continue
		}
		return content, body, nil
	}
}

func (w *dtlsWire) record() (content byte, body []byte, epoch uint16, err error) {
	for {
		for len(w.rest) < datagramHeader {
			select {
			case w.rest = <-w.in:
			case <-w.life:
				return 0, nil, 0, errEnded
			case <-w.server.ended:
				return 0, nil, 0, errEnded
			}
		}
		header := datagramHeader
		content = w.rest[0]
		var cid []byte
		if content == recordCID && w.cidOn {
			header += len(w.cid)
			if len(w.rest) < header {
				w.rest = nil
				continue
			}
			cid = w.rest[11 : 11+len(w.cid)]
		}
		length := int(binary.BigEndian.Uint16(w.rest[header-2:]))
		if len(w.rest) < header+length {
			w.rest = nil
			continue
		}
		number := binary.BigEndian.Uint64(w.rest[3:])
		version := binary.BigEndian.Uint16(w.rest[1:])
		body = w.rest[header : header+length]
		w.rest = w.rest[header+length:]
		epoch = uint16(number >> 48)
		switch {
		case epoch == 1 && w.session.in != nil:
			if w.cidOn != (content == recordCID) {
				continue
			}
			opened, err := w.session.in.open(number, content, version, cid, body)
			if err != nil {
				continue
			}
			body = opened
			if w.cidOn { // the true type stands behind the content, before the padding
				body = trimZeros(body)
				if len(body) == 0 {
					continue
				}
				content, body = body[len(body)-1], body[:len(body)-1]
			}
		case epoch != 0:
			continue
		}
		if content == recordAlert && len(body) == 2 && (body[0] == fatal || body[1] == closeNotify) {
			return 0, nil, 0, fmt.Errorf("alert % x from the client", body)
		}
		if content == recordAlert || content == recordChangeCipherSpec {
			continue
		}
		return content, body, epoch, nil
	}
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

func (w *dtlsWire) message() (kind byte, body []byte, err error) {
	for {
		for len(w.queue) >= fragmentHeader {
			kind = w.queue[0]
			length := int(w.queue[1])<<16 | int(w.queue[2])<<8 | int(w.queue[3])
			sequence := binary.BigEndian.Uint16(w.queue[4:])
			offset := int(w.queue[6])<<16 | int(w.queue[7])<<8 | int(w.queue[8])
			n := int(w.queue[9])<<16 | int(w.queue[10])<<8 | int(w.queue[11])
			if len(w.queue) < fragmentHeader+n {
				w.queue = nil
				break
			}
			part := w.queue[fragmentHeader : fragmentHeader+n]
			w.queue = w.queue[fragmentHeader+n:]
			switch {
			case sequence < w.due && (kind == messageClientHello || kind == messageClientKeyExchange):
				if err := w.resend(); err != nil {
					return 0, nil, err
				}
			case sequence == w.due && offset == len(w.partial):
				w.partial = append(w.partial, part...)
				if len(w.partial) == length {
					body, w.partial = w.partial, nil
					w.due++
					w.transcript = append(w.transcript, w.frame(kind, body)...)
					return kind, body, nil
				}
			}
		}
		content, data, _, err := w.record()
		if err != nil {
			return 0, nil, err
		}
		if content == recordHandshake {
			w.queue = data
		}
	}
}

// askAgain sends a HelloVerifyRequest. Neither it nor the hello that it answers is part of the transcript.
func (w *dtlsWire) askAgain(v helloVerify) error {
	if v.version == 0 {
		v.version = 0xfeff
	}
	body := slices.Concat([]byte{byte(v.version >> 8), byte(v.version), byte(len(v.cookie))}, v.cookie, v.after)
	framed := frameDTLS(messageHelloVerifyRequest, v.sequence, body)
	w.next1 = v.sequence + 1
	w.transcript = nil
	w.last = []numbered{{outgoing{content: recordHandshake, version: v.version, body: framed}, 0}}
	return w.resend()
}

func (w *dtlsWire) send(items []item, cut func([]outgoing) []outgoing) error {
	w.cidOn = len(w.cid) > 0 && w.sent.has(extensionCID)
	var records []outgoing
	for _, i := range items {
		records = append(records, w.put(i))
	}
	if cut != nil {
		records = cut(records)
	}
	fragment := w.fragment
	if fragment == 0 {
		fragment = 1000
	}
	records = fragmented(records, fragment)
	w.last = nil
	for _, r := range records {
		if r.do != nil {
			if err := w.flush(); err != nil {
				return err
			}
			if err := r.do(w.session); err != nil {
				return err
			}
			continue
		}
		epoch := w.epoch
		if r.plain {
			epoch = 0
		}
		w.last = append(w.last, numbered{r, epoch})
		if r.content == recordChangeCipherSpec && r.raw == nil && w.out != nil {
			w.epoch = 1
		}
	}
	return w.flush()
}

// flush sends what is there of the flight.
func (w *dtlsWire) flush() error {
	if len(w.last) == 0 {
		return nil
	}
	return w.resend()
}

// resend sends the last flight, with new record numbers.
func (w *dtlsWire) resend() error {
	most := w.datagram
	if most == 0 {
		most = 1200
	}
	var datagrams [][]byte
	var b []byte
	for _, r := range w.last {
		record := r.raw
		if record == nil {
			record = w.encode(r)
		}
		if len(b) > 0 && (len(b)+len(record) > most || r.raw != nil) { // bytes as they are begin a datagram of their own
			datagrams = append(datagrams, b)
			b = nil
		}
		b = append(b, record...)
	}
	datagrams = append(datagrams, b)
	if w.datagrams != nil {
		datagrams = w.datagrams(w.flights, datagrams)
	}
	w.flights++
	for _, d := range datagrams {
		if _, err := w.conn.WriteToUDPAddrPort(d, w.to); err != nil {
			return err
		}
	}
	return nil
}

func (w *dtlsWire) encode(r numbered) []byte {
	version := r.version
	if version == 0 {
		version = 0xfefd
	}
	next := w.numbers[r.epoch]
	w.numbers[r.epoch]++
	if w.number != nil {
		next = w.number(r.epoch, next)
	}
	number := uint64(r.epoch)<<48 | next
	body := r.body
	if r.epoch == 1 {
		body = w.out.seal(number, r.content, version, body)
	}
	b := []byte{r.content, byte(version >> 8), byte(version)}
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

// fragmented cuts the messages of a flight into fragments of at most n bytes.
func fragmented(records []outgoing, n int) []outgoing {
	var out []outgoing
	for _, r := range records {
		if r.content != recordHandshake || len(r.body) <= fragmentHeader+n {
			out = append(out, r)
			continue
		}
		header, body := r.body[:6], r.body[fragmentHeader:]
		for offset := 0; offset < len(body); offset += n {
			out = append(out, outgoing{content: recordHandshake, version: r.version, body: fragmentOf(header, body, offset, min(n, len(body)-offset))})
		}
	}
	return out
}

// fragmentOf is one fragment of a message, whose header begins with these six bytes.
func fragmentOf(header, body []byte, offset, n int) []byte {
	return slices.Concat(header, []byte{byte(offset >> 16), byte(offset >> 8), byte(offset), byte(n >> 16), byte(n >> 8), byte(n)}, body[offset:offset+n])
}

func (w *dtlsWire) drain() {
	for {
		select {
		case <-w.in:
		case <-w.life:
			return
		case <-w.server.ended:
			return
		}
	}
}

// listenUDP runs a script on a free port until the test ends. Each client address is one session.
func listenUDP(t testing.TB, on netip.Addr, s *script) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(on, 0)))
	if err != nil {
		t.Fatal(err)
	}
	server := &server{ended: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() {
		sessions := make(map[netip.AddrPort]*dtlsWire)
		heard := make(map[netip.AddrPort]int)
		buffer := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				continue
			}
			datagram := slices.Clone(buffer[:n])
			heard[from]++
			if s.loses != nil && s.loses(heard[from]-1, datagram) {
				continue
			}
			w := sessions[from]
			if w == nil {
				session := &session{script: s, server: server, version: 0xfefd}
				w = &dtlsWire{session: session, conn: conn, to: from, in: make(chan []byte, 64), life: time.After(sessionLife)}
				session.w = w
				sessions[from] = w
				running.Go(func() {
					_ = session.run()
					w.drain()
				})
			}
			select {
			case w.in <- datagram:
			default: // more than the session takes: lost, as UDP may
			}
		}
	})
	t.Cleanup(func() {
		close(server.ended)
		_ = conn.Close()
		running.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}
