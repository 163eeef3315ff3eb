package devicedtls

import (
	"bytes"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// Step is what a datagram did to the session. A datagram with several records gives the greatest.
type Step int

const (
	// Foreign: the datagram does not begin with a DTLS record. It changed nothing.
	Foreign Step = iota
	// Waiting: DTLS, but nothing to act on yet, or nothing new.
	Waiting
	// Data: application data came; see [Client.Received].
	Data
	// Resend: the server repeats its flight, so ours was lost, or its flight was let go: send ours again.
	Resend
	// Cookie: a HelloVerifyRequest came (RFC 6347 §4.2.1); the hello with its cookie is the flight to send now.
	Cookie
	// FlightWhole: the server's flight is whole; see [Client.Flight].
	FlightWhole
	// Done: the server's Finished is verified; application data may be sent.
	Done
)

type state uint8

// A client's way through the handshake (RFC 6347 §4.2.4); Foreign, Waiting and Resend stay where they are.
//
//	helloSent --Cookie--> cookieSent --FlightWhole--> flightWhole --Finish()--> finishSent --Done--> established
//	    \___________________________FlightWhole_____/
const (
	helloSent state = iota
	cookieSent
	flightWhole
	finishSent
	established
)

const (
	// DefaultMTU fits a datagram into the least MTU of IPv6, 1280 bytes, with room for a tunnel's header.
	DefaultMTU = 1200
	// maxCookies bounds how often a server may change its mind about the cookie.
	maxCookies = 3
	// maxReceived bounds the application data waiting to be read; more is dropped, as UDP would.
	maxReceived = 16
)

// outgoing is one record of the flight to send. It is numbered and, in epoch 1, sealed each time it is sent.
type outgoing struct {
	kind    uint8
	version uint16
	epoch   uint16
	message message // of a handshake record
	body    []byte  // of another
}

// Client is one DTLS session as a device holds it. It is not safe for concurrent use.
type Client struct {
	// MTU is the most bytes of a datagram that Send makes, handshake messages being cut to fit; 0 means [DefaultMTU].
	MTU int

	random   [32]byte
	state    state
	helloSeq uint16 // number of the hello's message
	cookie   []byte
	cookies  int
	out      []outgoing
	seq      [2]uint64 // next record number, by epoch

	in         reassembler
	flight     *devicetls.Flight
	unproved   bool   // a flight was let go
	heard      int    // bytes of the server's messages
	transcript []byte // the hello and the server's flight, until Finish
	answer     *devicetls.Answer
	received   [][]byte
	ended      error // what ended the session, told again by each Take
}

// New begins a session with this random; its first flight is the hello.
func New(random [32]byte) *Client {
	c := &Client{random: random, flight: devicetls.NewFlight(random, devicetls.VersionDTLS)}
	c.setHello(0)
	return c
}

// Flight is the server's flight as far as it came. One that is let go is, until another begins.
func (c *Client) Flight() *devicetls.Flight { return c.flight }

// CookieSeen reports whether the server asked for a cookie.
func (c *Client) CookieSeen() bool { return c.cookies > 0 }

// setHello makes the hello with this number the flight to send. A transcript begins with the last hello: one that was
// answered by a cookie is not in it (RFC 6347 §4.2.1).
func (c *Client) setHello(seq uint16) {
	hello := message{devicetls.Message{Type: typeClientHello, Body: Hello(c.random, c.cookie)}, seq}
	c.helloSeq = seq
	c.out = []outgoing{{kind: recordHandshake, version: versionHello, message: hello}}
	c.transcript = hello.appendWhole(nil)
}

// Send gives the datagrams of the current flight. Each call numbers the records anew, as a retransmission must (RFC 6347
// §4.2.4); the messages stay the same.
func (c *Client) Send() [][]byte {
	mtu := c.MTU
	if mtu == 0 {
		mtu = DefaultMTU
	}
	var datagrams [][]byte
	var b []byte
	room := func(n int) {
		if len(b) > 0 && len(b)+n > mtu {
			datagrams = append(datagrams, b)
			b = nil
		}
	}
	for _, o := range c.out {
		if o.kind != recordHandshake {
			room(sealedOverhead + len(o.body))
			b = c.appendRecord(b, o.kind, o.version, o.epoch, o.body)
			continue
		}
		most := max(mtu-sealedOverhead-messageHeader, 1)
		for offset := 0; ; offset += most {
			n := min(most, len(o.message.Body)-offset)
			room(sealedOverhead + messageHeader + n)
			b = c.appendRecord(b, o.kind, o.version, o.epoch, o.message.appendFragment(nil, offset, n))
			if offset+n >= len(o.message.Body) {
				break
			}
		}
	}
	return append(datagrams, b)
}

func (c *Client) appendRecord(b []byte, kind uint8, version, epoch uint16, body []byte) []byte {
	number := uint64(epoch)<<48 | c.seq[epoch]&maxSequence
	c.seq[epoch]++
	if epoch == 0 {
		return append(appendHeader(b, kind, version, number, len(body)), body...)
	}
	b = appendHeader(b, kind, version, number, len(body)+c.answer.Out.Overhead())
	return c.answer.Out.SealNumbered(b, number, kind, version, body)
}

// Take takes a datagram. Whatever in it is no record, cannot be read or is not due is passed over, as RFC 6347 §4.1.2.7
// advises; an error ends the session: a [devicetls.AlertError],
// [devicetls.ErrMalformed] or [devicetls.ErrNotVerified].
//
// Records are not held against replay (RFC 6347 §4.1.2.6, which leaves it to the receiver). A handshake message counts
// once by its number, and what a replayed record of data could bring about, the answer to an earlier ping, does not
// match the message id of a later one.
func (c *Client) Take(datagram []byte) (Step, error) {
	step := Foreign
	if c.ended != nil {
		return step, c.ended
	}
	for len(datagram) > 0 {
		r, rest, ok := cut(datagram)
		if !ok {
			break
		}
		datagram = rest
		s, err := c.takeRecord(r)
		if step = max(step, s); err != nil {
			c.ended = err
			return step, err
		}
	}
	return step, nil
}

func (c *Client) takeRecord(r record) (Step, error) {
	body := r.body
	switch {
	case r.epoch == 0 && c.state != established:
	case r.epoch == 1 && c.answer != nil:
		var err error
		if body, err = c.answer.In.OpenNumbered(r.number, r.kind, r.version, body); err != nil {
			return Waiting, nil //nolint:nilerr // anybody can send a datagram: it ends no session
		}
	default: // in the clear once there are keys, of an epoch that never comes, or sealed before there are keys
		return Waiting, nil
	}
	switch r.kind {
	case recordAlert:
		if len(body) == 2 && (body[0] != alertWarning || body[1] == alertCloseNotify) {
			return Waiting, &devicetls.AlertError{Level: body[0], Description: body[1]}
		}
	case recordApplicationData:
		if r.epoch == 1 && len(c.received) < maxReceived {
			c.received = append(c.received, bytes.Clone(body))
			return Data, nil
		}
	case recordHandshake:
		return c.takeFragments(r.epoch, body)
	}
	return Waiting, nil // ChangeCipherSpec says nothing that the epoch does not
}

func (c *Client) takeFragments(epoch uint16, body []byte) (Step, error) {
	step := Waiting
	for len(body) > 0 && c.state != established {
		f, rest, ok := cutFragment(body)
		if !ok {
			break
		}
		body = rest
		s, err := c.takeFragment(epoch, f)
		if step = max(step, s); err != nil {
			return step, err
		}
	}
	return step, nil
}

func (c *Client) takeFragment(epoch uint16, f fragment) (Step, error) {
	switch {
	case (f.kind == typeFinished) != (epoch == 1): // only Finished is sealed, and nobody else may slip one in
		return Waiting, nil
	case f.kind == typeHelloVerifyRequest:
		return c.takeCookie(f), nil
	case c.state == finishSent && f.kind == typeServerHelloDone:
		return Resend, nil
	}
	if err := c.in.add(f); err != nil {
		return Waiting, err
	}
	step := Waiting
	for {
		m, ok := c.in.pop()
		if !ok {
			return step, nil
		}
		s, err := c.takeMessage(m)
		if step = max(step, s); err != nil {
			return step, err
		}
	}
}

// takeCookie takes a HelloVerifyRequest: version, then a cookie of at most 255 bytes. It is never fragmented here: a
// server that keeps no state cannot cut what it sends to a stranger.
func (c *Client) takeCookie(f fragment) Step {
	if c.state > cookieSent || c.flight.Bytes > 0 || len(f.data) != f.length || len(f.data) < 3 || len(f.data) != 3+int(f.data[2]) {
		return Waiting
	}
	cookie := f.data[3:]
	switch {
	case c.state == helloSent && f.seq == 0:
		c.state = cookieSent
		c.in.next = 1
	case c.state == cookieSent && !bytes.Equal(cookie, c.cookie) && c.cookies < maxCookies:
	default:
		return Waiting // the answer to a repeated hello
	}
	c.cookies++
	c.cookie = bytes.Clone(cookie)
	c.setHello(1)
	return Cookie
}

func (c *Client) takeMessage(m message) (Step, error) {
	if c.heard += messageHeader + len(m.Body); c.heard > devicetls.MaxHandshake {
		return Waiting, devicetls.ErrTooLarge
	}
	switch c.state {
	case helloSent, cookieSent:
		if c.flight.Done { // the one let go
			c.flight = devicetls.NewFlight(c.random, devicetls.VersionDTLS)
		}
		if err := c.flight.Take(m.Type, m.Body); err != nil {
			return Waiting, err
		}
		c.transcript = m.appendWhole(c.transcript)
		if c.flight.Done {
			if c.flight.SignatureChecked && !c.flight.KeyProved && !c.unproved {
				c.letGo()
				return Resend, nil
			}
			c.state = flightWhole
			return FlightWhole, nil
		}
	case finishSent:
		switch m.Type {
		case typeNewSessionTicket:
			c.answer.Heard(m.appendWhole(nil))
		case typeFinished:
			if err := c.answer.Verify(m.Body); err != nil {
				return Waiting, err
			}
			c.state = established
			return Done, nil
		}
	}
	return Waiting, nil
}

// letGo waits for another flight in answer to the same hello, once, where the signature is not of this handshake. A server
// that begins anew with each hello that is repeated, or two behind one address, make one flight of two halves where
// datagrams are lost: that is no replayed certificate. Somebody who lacks the key fails again.
func (c *Client) letGo() {
	c.unproved = true
	c.in = reassembler{next: c.helloSeq} // the server's first message has the number of the hello that it answers
	c.setHello(c.helloSeq)
	c.heard = 0
}

// Received takes the oldest application data that came; ok is false if none waits.
func (c *Client) Received() (data []byte, ok bool) {
	if len(c.received) == 0 {
		return nil, false
	}
	data = c.received[0]
	c.received = c.received[1:]
	return data, true
}

// Seal makes a datagram of application data; nil before the step Done.
func (c *Client) Seal(data []byte) []byte {
	if c.state != established {
		return nil
	}
	return c.appendRecord(nil, recordApplicationData, Version, 1, data)
}

// Close makes the datagram that tells the server that the session ends, so that it forgets what it keeps for us and stops
// repeating its flight; nil if the server keeps nothing yet.
func (c *Client) Close() []byte {
	notify := []byte{alertWarning, alertCloseNotify}
	switch {
	case c.state == established:
		return c.appendRecord(nil, recordAlert, Version, 1, notify)
	case c.flight.Bytes > 0 || c.state == cookieSent:
		return c.appendRecord(nil, recordAlert, Version, 0, notify)
	}
	return nil
}
