package devicedtls

import (
	"bytes"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Step is the result of [Client.Take]. If the records of a datagram led to several, it is the greatest.
type Step int

const (
	// NotDTLS means that the datagram does not begin with a DTLS record. It was ignored.
	NotDTLS Step = iota
	// Waiting means DTLS that needs no action: part of a message, or a repetition.
	Waiting
	// Data means that application data came; see [Client.Received].
	Data
	// Resend means that the current flight must be sent again: the server repeats its own flight, or its flight was
	// discarded.
	Resend
	// Cookie means that a HelloVerifyRequest came (RFC 6347 §4.2.1). The current flight is now the hello with its
	// cookie.
	Cookie
	// FlightComplete means that the server flight is complete; see [Client.Flight].
	FlightComplete
	// Done means that the server's Finished is verified; application data may be sent.
	Done
)

type state uint8

// States of a client in the handshake (RFC 6347 §4.2.4). NotDTLS, Waiting and Resend do not change the state.
//
//	helloSent --Cookie--> cookieSent --FlightComplete--> flightComplete --Finish()--> finishSent --Done--> established
//	    \___________________________FlightComplete_____/
const (
	helloSent state = iota
	cookieSent
	flightComplete
	finishSent
	established
)

const (
	// DefaultMTU is the maximum size in bytes of a datagram of [Client.Send]. It fits into the minimum MTU of IPv6, 1280
	// bytes, with room for the headers of a tunnel.
	DefaultMTU = 1200
	// maxCookies bounds the cookies that a client answers. A device has no limit.
	maxCookies = 16
	// maxReceived bounds the application data that waits to be read. More is dropped, as by a socket buffer.
	maxReceived = 16
)

// outgoing is one record of the current flight. It is numbered and, in epoch 1, encrypted each time it is sent.
type outgoing struct {
	contentType uint8
	version     uint16
	epoch       uint16
	message     message // of a handshake record
	body        []byte  // of any other record
}

// Client is the device's side of one DTLS session. It is not safe for concurrent use.
type Client struct {
	random     [32]byte
	buildHello func(random [32]byte, cookie []byte) []byte // returns the body of the hello
	offersID   bool
	mtu        int // maximum size in bytes of a datagram of Send; handshake messages are fragmented to fit
	state      state
	helloSeq   uint16 // message number of the current hello
	cookie     []byte
	cookies    int // cookies answered
	out        []outgoing
	nextSeq    [2]uint64 // next record number, by epoch
	replay     [2]replayWindow
	epoch      uint16  // of the records that are accepted: 1 once the server's ChangeCipherSpec has taken effect
	ccsSeen    bool    // ChangeCipherSpec was received in answer to Finish
	early      *record // the first handshake record of epoch 1 that came in epoch 0

	in              reassembler
	nextFlightSeq   uint16 // number of the first message after the server flight
	unread          []byte // what followed the server flight in its last datagram
	unreadFragments []byte // what followed the server flight in its last record
	flight          *devicetls.Flight
	discarded       bool   // one flight was discarded
	messageBytes    int    // size of the server's messages
	transcript      []byte // the hello and the server flight, until Finish
	answer          *devicetls.Answer
	received        [][]byte
	ended           error // the error that ended the session, returned by every later Take
}

// New returns a client with the hello of a device on Linux or Mbed OS, which offers a connection id. The hello is its
// current flight.
func New(random [32]byte) *Client {
	return newClient(random, true, func(random [32]byte, cookie []byte) []byte { return Hello(random, cookie, true) })
}

// NewWithoutID returns a client whose hello does not offer a connection id.
func NewWithoutID(random [32]byte) *Client {
	return newClient(random, false, func(random [32]byte, cookie []byte) []byte { return Hello(random, cookie, false) })
}

// NewWide returns a client whose hello offers what browsers did when they spoke TLS 1.2, with RSA key exchange: it
// shows the certificate of a server that does not support the device's hello. The handshake must not be finished. An
// empty host sends no server name.
func NewWide(random [32]byte, host string) *Client {
	return newClient(random, false, func(random [32]byte, cookie []byte) []byte { return wideHello(random, cookie, host) })
}

func newClient(random [32]byte, offersID bool, buildHello func(random [32]byte, cookie []byte) []byte) *Client {
	c := &Client{random: random, offersID: offersID, buildHello: buildHello, mtu: DefaultMTU}
	c.newFlight()
	c.setHello(0)
	return c
}

// newFlight begins to read a server flight that answers the current hello.
func (c *Client) newFlight() {
	c.flight = devicetls.NewFlight(c.random, devicetls.VersionDTLS)
	if c.offersID {
		c.flight.OfferConnectionID()
	}
}

// Flight returns the server flight as far as it was received. A discarded flight is returned until the next one begins.
func (c *Client) Flight() *devicetls.Flight { return c.flight }

// CookieSeen reports whether the server sent a HelloVerifyRequest.
func (c *Client) CookieSeen() bool { return c.cookies > 0 }

// setHello makes the hello with this message number the current flight. The transcript begins with the last hello: one
// that was answered by a HelloVerifyRequest is not part of it (RFC 6347 §4.2.1).
func (c *Client) setHello(seq uint16) {
	hello := message{devicetls.Message{Type: devicetls.TypeClientHello, Body: c.buildHello(c.random, c.cookie)}, seq}
	c.helloSeq = seq
	c.out = []outgoing{{contentType: devicetls.RecordHandshake, version: versionHello, message: hello}}
	c.transcript = hello.appendWhole(nil)
}

// Send returns the datagrams of the current flight. Each call gives the records new numbers, as a retransmission must
// (RFC 6347 §4.2.4); the messages stay the same.
func (c *Client) Send() [][]byte {
	var datagrams [][]byte
	var b []byte
	reserve := func(n int) {
		if len(b) > 0 && len(b)+n > c.mtu {
			datagrams = append(datagrams, b)
			b = nil
		}
	}
	for _, o := range c.out {
		if o.contentType != devicetls.RecordHandshake {
			reserve(maxOverhead + len(o.body))
			b = c.appendRecord(b, o.contentType, o.version, o.epoch, o.body)
			continue
		}
		most := max(c.mtu-maxOverhead-messageHeader, 1)
		for offset := 0; ; offset += most {
			n := min(most, len(o.message.Body)-offset)
			reserve(maxOverhead + messageHeader + n)
			b = c.appendRecord(b, o.contentType, o.version, o.epoch, o.message.appendFragment(nil, offset, n))
			if offset+n >= len(o.message.Body) {
				break
			}
		}
	}
	return append(datagrams, b)
}

func (c *Client) appendRecord(b []byte, contentType uint8, version, epoch uint16, body []byte) []byte {
	number := uint64(epoch)<<48 | c.nextSeq[epoch]&maxSequence
	c.nextSeq[epoch]++
	if epoch == 0 {
		return append(appendHeader(b, contentType, version, number, nil, len(body)), body...)
	}
	if id := c.flight.ConnectionID; len(id) > 0 {
		sealed := c.answer.Out.SealConnectionID(nil, number, contentType, version, id, body)
		return append(appendHeader(b, devicetls.RecordConnectionID, version, number, id, len(sealed)), sealed...)
	}
	b = appendHeader(b, contentType, version, number, nil, len(body)+c.answer.Out.Overhead())
	return c.answer.Out.SealNumbered(b, number, contentType, version, body)
}

// Take processes a datagram. Records that are malformed, cannot be decrypted or are out of order are ignored, as RFC
// 6347 §4.1.2.7 advises. An error ends the session: a [devicetls.AlertError], a [devicetls.MalformedError] or
// [devicetls.ErrNotVerified].
//
// What follows the server flight in its last datagram is processed by the first call after [Client.Finish], which may
// have no datagram.
//
// The order is that of a device. It processes a complete message that has the expected number at once. At the end of
// the datagram it processes what it had to keep: reassembled and early messages, an early ChangeCipherSpec, and an
// early Finished. Until ChangeCipherSpec takes effect, it ignores all other records of the new epoch.
func (c *Client) Take(datagram []byte) (Step, error) {
	step, err := NotDTLS, c.ended
	if err == nil && c.state != flightComplete {
		step, err = c.takeUnread()
	}
	if err == nil {
		var s Step
		s, err = c.takeDatagram(datagram, NotDTLS)
		step = max(step, s)
	}
	c.ended = err
	return step, err
}

// takeUnread processes what followed the server flight.
func (c *Client) takeUnread() (Step, error) {
	fragments, datagram := c.unreadFragments, c.unread
	if len(fragments)+len(datagram) == 0 {
		return NotDTLS, nil
	}
	c.unreadFragments, c.unread = nil, nil
	step, err := c.takeFragments(fragments)
	if err != nil {
		return step, err
	}
	return c.takeDatagram(datagram, step)
}

// takeDatagram processes a datagram, or the rest of one whose records so far led to a step.
func (c *Client) takeDatagram(datagram []byte, step Step) (Step, error) {
	for len(datagram) > 0 {
		r, rest, ok := parseRecord(datagram)
		if !ok {
			if step != NotDTLS && len(datagram) < recordHeader {
				c.flight.AddUnfit(measurement.UnfitReason{Kind: measurement.UnfitTrailingBytes, N: len(datagram)})
			}
			break
		}
		datagram = rest
		if len(r.body) == 0 && len(rest) > 0 {
			c.flight.AddUnfit(measurement.UnfitReason{Kind: measurement.UnfitEmptyRecord})
		}
		s, err := c.takeRecord(r)
		if step = max(step, s); err != nil {
			return step, err
		}
		if s == FlightComplete {
			c.unread = bytes.Clone(datagram)
			return step, nil
		}
	}
	s, err := c.takeKept()
	return max(step, s), err
}

func (c *Client) takeRecord(r record) (Step, error) {
	body := r.body
	switch {
	case r.epoch == 1 && c.epoch == 0 && r.contentType == devicetls.RecordHandshake && c.early == nil:
		r.body = bytes.Clone(body)
		c.early = &r
		return Waiting, nil
	case r.epoch != c.epoch, !c.replay[r.epoch].fresh(r.number & maxSequence), r.epoch == 0 && len(body) > devicetls.MaxPlaintext:
		return Waiting, nil
	case r.epoch == 1:
		var err error
		if body, err = c.answer.In.OpenNumbered(r.number, r.contentType, r.version, body); err != nil {
			if c.state == finishSent {
				return Waiting, devicetls.ErrNotVerified // a device gives up here, and only here
			}
			return Waiting, nil // any host can send a datagram: it must not end the session
		}
	}
	c.replay[r.epoch].add(r.number & maxSequence)
	if len(body) == 0 && r.contentType != devicetls.RecordApplicationData {
		return Waiting, nil // a device ignores empty records
	}
	switch r.contentType {
	case devicetls.RecordAlert:
		return Waiting, devicetls.CheckAlert(body)
	case devicetls.RecordChangeCipherSpec:
		if len(body) != 1 || body[0] != 1 {
			return Waiting, &devicetls.MalformedError{Detail: measurement.Detail{Kind: measurement.DetailUnexpectedRecord, N: devicetls.RecordChangeCipherSpec}}
		}
		if c.state == finishSent {
			c.ccsSeen = true
		}
		if c.awaitsChange() {
			c.epoch = 1
		}
	case devicetls.RecordApplicationData:
		if c.state == established && len(c.received) < maxReceived {
			c.received = append(c.received, bytes.Clone(body))
			return Data, nil
		}
	case devicetls.RecordHandshake:
		return c.takeFragments(body)
	}
	return Waiting, nil
}

// awaitsChange reports whether a device takes nothing but ChangeCipherSpec.
func (c *Client) awaitsChange() bool {
	return c.state == finishSent && c.epoch == 0 && !c.flight.AwaitsTicket()
}

// takeKept processes what a device keeps until the end of a datagram.
func (c *Client) takeKept() (Step, error) {
	step := NotDTLS
	for c.state != flightComplete && c.state != established {
		if c.awaitsChange() {
			if !c.ccsSeen {
				break
			}
			c.epoch = 1
		}
		var s Step
		var err error
		if m, ok := c.in.pop(); ok {
			s, err = c.takeMessage(m)
		} else if r := c.early; r != nil && c.epoch == 1 {
			c.early = nil
			s, err = c.takeRecord(*r)
		} else if r != nil && c.ccsSeen && c.isNext(*r) {
			c.flight.EndTickets()
		} else {
			break
		}
		if step = max(step, s); err != nil {
			return step, err
		}
	}
	return step, nil
}

// isNext reports whether an early record has the expected message: a ticket that the server promised cannot follow.
func (c *Client) isNext(r record) bool {
	body, err := c.answer.In.OpenNumbered(r.number, r.contentType, r.version, r.body)
	if err != nil {
		return false
	}
	f, _, ok := parseFragment(body)
	return ok && f.seq == c.in.next
}

func (c *Client) takeFragments(body []byte) (Step, error) {
	step := Waiting
	for len(body) > 0 && c.state != established {
		f, rest, ok := parseFragment(body)
		if !ok {
			break
		}
		body = rest
		if partial := len(f.data) < f.length; partial && len(rest) >= messageHeader {
			c.flight.AddUnfit(measurement.UnfitReason{Kind: measurement.UnfitSplitFragments})
		}
		s, err := c.takeFragment(f)
		if step = max(step, s); err != nil {
			return step, err
		}
		if s == FlightComplete {
			c.unreadFragments = bytes.Clone(body)
			break
		}
	}
	return step, nil
}

func (c *Client) takeFragment(f fragment) (Step, error) {
	switch {
	case c.state == flightComplete:
		return Waiting, nil
	case f.messageType == typeHelloVerifyRequest:
		return c.takeCookie(f), nil
	case f.seq < c.in.next:
		if c.state == finishSent && f.seq == c.nextFlightSeq-1 {
			return Resend, nil
		}
		return Waiting, nil
	case f.seq == c.in.next && len(f.data) == f.length:
		c.in.drop()
		return c.takeMessage(message{devicetls.Message{Type: f.messageType, Body: bytes.Clone(f.data)}, f.seq})
	}
	c.in.add(f)
	return Waiting, nil
}

// takeCookie processes a HelloVerifyRequest: a version and a cookie of at most 255 bytes. A fragmented one is
// ignored: a server sends it before it keeps any state. A device answers each one that has the next message number.
func (c *Client) takeCookie(f fragment) Step {
	if c.state > cookieSent || c.flight.Bytes > 0 || f.seq != c.in.next || c.cookies >= maxCookies ||
		len(f.data) != f.length || len(f.data) < 3 || len(f.data) < 3+int(f.data[2]) {
		return Waiting
	}
	c.state = cookieSent
	c.in.next++
	c.cookies++
	c.cookie = bytes.Clone(f.data[3 : 3+int(f.data[2])])
	c.setHello(c.helloSeq + 1)
	return Cookie
}

// takeMessage processes the next handshake message, put together from its fragments.
func (c *Client) takeMessage(m message) (Step, error) {
	if c.messageBytes += messageHeader + len(m.Body); c.messageBytes > devicetls.MaxHandshake {
		return Waiting, devicetls.ErrTooLong
	}
	switch c.state {
	case helloSent, cookieSent:
		if c.flight.Done { // it was discarded
			c.newFlight()
		}
		if err := c.flight.Take(m.Type, m.Body); err != nil {
			return Waiting, err
		}
		c.transcript = m.appendWhole(c.transcript)
		if c.flight.Done {
			if c.flight.SignatureChecked && !c.flight.KeyProved && !c.discarded {
				c.discardFlight()
				return Resend, nil
			}
			c.state = flightComplete
			c.early, c.nextFlightSeq = nil, c.in.next
			c.in = reassembler{next: c.in.next} // a device keeps nothing from one flight to the next
			return FlightComplete, nil
		}
	case finishSent:
		switch {
		case c.epoch == 0 && m.Type == devicetls.TypeNewSessionTicket:
			c.answer.AddToTranscript(m.appendWhole(nil))
			return Waiting, c.flight.TakeTicket(m.Body)
		case c.epoch == 1 && m.Type == devicetls.TypeFinished:
			if err := c.answer.Verify(m.Body); err != nil {
				return Waiting, err
			}
			c.state = established
			return Done, nil
		}
		return Waiting, &devicetls.MalformedError{Detail: measurement.Detail{Kind: measurement.DetailUnexpectedMessage, N: int(m.Type)}}
	case flightComplete, established: // it takes no messages
	}
	return Waiting, nil
}

// discardFlight makes the client wait for another flight in answer to the same hello. It is called once, for a flight
// whose signature belongs to another handshake. When datagrams are lost, the halves of two flights can be combined:
// of a server that begins again with each repeated hello, or of two servers behind one address. A server without the
// key fails the second time too.
func (c *Client) discardFlight() {
	c.discarded = true
	c.in = reassembler{next: c.helloSeq} // the server's first message has the number of the hello that it answers
	c.setHello(c.helloSeq)
	c.messageBytes = 0
	c.replay[0] = replayWindow{} // a server that begins again numbers its records from 0
}

// CipherChanged reports whether the server has sent ChangeCipherSpec: it has accepted the client's flight.
func (c *Client) CipherChanged() bool { return c.ccsSeen }

// Received returns the oldest application data; ok is false if no data waits.
func (c *Client) Received() (data []byte, ok bool) {
	if len(c.received) == 0 {
		return nil, false
	}
	data = c.received[0]
	c.received = c.received[1:]
	return data, true
}

// Seal returns a datagram of application data; nil before the step Done.
func (c *Client) Seal(data []byte) []byte {
	if c.state != established {
		return nil
	}
	return c.appendRecord(nil, devicetls.RecordApplicationData, Version, 1, data)
}

// Close returns a datagram with a close_notify alert, on which the server drops its state and stops retransmitting;
// nil if the server has no state yet.
func (c *Client) Close() []byte {
	notify := []byte{devicetls.AlertWarning, devicetls.AlertCloseNotify}
	switch {
	case c.state == established:
		return c.appendRecord(nil, devicetls.RecordAlert, Version, 1, notify)
	case c.flight.Bytes > 0 || c.state == cookieSent:
		return c.appendRecord(nil, devicetls.RecordAlert, Version, 0, notify)
	}
	return nil
}
