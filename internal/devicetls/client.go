package devicetls

import (
	"bytes"
	"encoding/binary"
)

// Step is what the bytes given to [Client.Take] led to; the greatest, if several things.
type Step int

const (
	// Waiting: nothing to act on yet.
	Waiting Step = iota
	// Data: application data came; see [Client.Received].
	Data
	// FlightWhole: the server's flight is whole; see [Client.Flight].
	FlightWhole
	// Done: the server's Finished is verified; application data may be sent.
	Done
)

type state uint8

// A client's way through the handshake (RFC 5246 §7.3).
//
//	helloSent --FlightWhole--> flightWhole --Finish()--> finishSent --[CCS]--> keyed --Done--> established
const (
	helloSent state = iota
	flightWhole
	finishSent
	keyed
	established
)

const (
	messageHeader = 4
	// maxWarnings bounds the warning alerts that are passed over.
	maxWarnings = 16
	// maxLine bounds what is kept of an answer that is no TLS.
	maxLine = 160
)

// Client is one TLS session as a device holds it. It is not safe for concurrent use.
type Client struct {
	state  state
	hello  []byte // the record
	random [32]byte
	flight *Flight

	in       []byte // an unfinished record, or, once foreign, the beginning of what is no TLS
	isTLS    bool   // a record header was seen
	foreign  bool
	warnings int
	ended    error

	messages []byte  // of the server's handshake, as they came
	taken    int     // bytes of messages that were acted on
	split    bool    // a message was found that is split across records
	answer   *Answer // set by Finish
	received [][]byte
}

// New begins a session with this random.
func New(random [32]byte) *Client {
	return &Client{random: random, hello: Hello(random), flight: NewFlight(random, Version)}
}

// Hello is the record to send first.
func (c *Client) Hello() []byte { return c.hello }

// Flight is the server's flight as far as it came.
func (c *Client) Flight() *Flight { return c.flight }

// Take takes the bytes that came, in pieces of any size. An error ends the session: an [AlertError], a [NotTLSError],
// [ErrMalformed] or [ErrNotVerified]; it is the same however the bytes are cut.
//
// After the step FlightWhole nothing more is read until [Client.Finish]: what came too early is kept, and acted on by the
// next call.
func (c *Client) Take(b []byte) (Step, error) {
	if c.ended != nil {
		return Waiting, c.ended
	}
	data := b
	if len(c.in) > 0 {
		c.in = append(c.in, b...)
		data = c.in
	}
	step, rest, err := c.process(data)
	c.in = append(c.in[:0], rest...)
	c.ended = err
	return step, err
}

// End says what the bytes so far come to when no more will: a [NotTLSError] if they began as no TLS, else nil.
func (c *Client) End() error {
	if c.ended == nil && c.foreign {
		c.ended = c.notTLS(c.in)
	}
	return c.ended
}

// process acts on whole records and returns the rest.
func (c *Client) process(data []byte) (step Step, rest []byte, err error) {
	if step, err = c.takeMessages(); err != nil {
		return step, nil, err
	}
	for c.state != flightWhole {
		if err := c.recognise(data); err != nil || c.foreign {
			return step, data, err
		}
		if len(data) < recordHeader {
			break
		}
		c.isTLS = true
		length := int(binary.BigEndian.Uint16(data[3:]))
		if err := c.checkHeader(data[0], length); err != nil {
			return step, nil, err
		}
		if len(data) < recordHeader+length {
			break
		}
		s, err := c.takeRecord(data[:recordHeader+length])
		data = data[recordHeader+length:]
		if step = max(step, s); err != nil {
			return step, nil, err
		}
	}
	return step, data, nil
}

// recognise tells a record's header from bytes that are none. Something else is waited for to the end of its line, or for
// as much of it as is shown, so that the finding does not hang on how it was cut.
func (c *Client) recognise(data []byte) error {
	if !c.foreign {
		ok := (len(data) < 1 || data[0] >= recordChangeCipherSpec && data[0] <= recordApplicationData) &&
			(len(data) < 2 || data[1] == 3) && (len(data) < 3 || data[2] <= 4)
		if ok {
			return nil
		}
		if c.isTLS {
			return malformed("bytes that begin no record after one that did")
		}
		c.foreign = true
	}
	if len(data) >= maxLine || bytes.IndexByte(data, '\n') >= 0 {
		return c.notTLS(data)
	}
	return nil
}

func (c *Client) notTLS(data []byte) error {
	line, _, _ := bytes.Cut(data[:min(len(data), maxLine)], []byte("\n"))
	return &NotTLSError{Line: bytes.TrimSuffix(bytes.Clone(line), []byte("\r")), HTTP: bytes.HasPrefix(line, []byte("HTTP/"))}
}

// checkHeader bounds a record (RFC 5246 §6.2.1, §6.2.3). Only application data may be empty.
func (c *Client) checkHeader(kind uint8, length int) error {
	most := maxPlaintext
	if c.state >= keyed {
		most = maxProtected
	}
	if length > most || length == 0 {
		return malformed("record of type %d with %d bytes", kind, length)
	}
	return nil
}

func (c *Client) takeRecord(record []byte) (Step, error) {
	body := record[recordHeader:]
	if c.state >= keyed {
		var err error
		if body, err = c.answer.In.Open(record); err != nil {
			return Waiting, err
		}
	}
	switch kind := record[0]; {
	case kind == recordAlert:
		return Waiting, c.takeAlert(body)
	case kind == recordHandshake && c.state == established:
		return Waiting, nil // a HelloRequest, which may be passed over (RFC 5246 §7.4.1.1)
	case kind == recordHandshake:
		if len(c.messages)+len(body) > MaxHandshake {
			return Waiting, ErrTooLarge
		}
		c.judgeRecord(body)
		if c.messages == nil {
			c.messages = make([]byte, 0, max(1536, len(body)))
		}
		c.messages = append(c.messages, body...)
		return c.takeMessages()
	case kind == recordChangeCipherSpec && c.state == finishSent && c.taken == len(c.messages) && len(body) == 1 && body[0] == 1:
		c.state = keyed
		return Waiting, nil
	case kind == recordApplicationData && c.state == established:
		if len(body) == 0 {
			return Waiting, nil
		}
		c.received = append(c.received, bytes.Clone(body))
		return Data, nil
	}
	return Waiting, malformed("record of type %d out of turn", record[0])
}

// judgeRecord says what of a record a device cannot take. A server may put several messages into one record, and one
// into several (RFC 5246 §6.2.1); Mbed TLS 2.28 takes the first, but over TCP does not put a message together, be it
// only its header that is split. Its buffer holds one record, of as much as it takes of one message.
func (c *Client) judgeRecord(body []byte) {
	switch continued := c.taken < len(c.messages); {
	case continued && !c.split:
		c.split = true
		c.flight.unfit("%s split across TLS records, which a device does not put together", messageName(c.messages[c.taken]))
	case !continued && len(body) > MaxMessage && len(body) > messageSize(body): // else it is the message that is too large
		c.flight.unfit("record of %d bytes, a device takes %d", len(body), MaxMessage)
	}
}

// messageSize is what the header at the beginning of b announces, the header included.
func messageSize(b []byte) int {
	return messageHeader + (int(b[1])<<16 | int(b[2])<<8 | int(b[3]))
}

func (c *Client) takeAlert(body []byte) error {
	if len(body) != 2 {
		return malformed("alert of %d bytes", len(body))
	}
	if body[0] != alertWarning || body[1] == alertCloseNotify {
		return &AlertError{Level: body[0], Description: body[1]}
	}
	if c.warnings++; c.warnings > maxWarnings {
		return malformed("more than %d warnings", maxWarnings)
	}
	return nil
}

// takeMessages acts on the handshake messages that are whole.
func (c *Client) takeMessages() (Step, error) {
	for c.state != flightWhole {
		rest := c.messages[c.taken:]
		if len(rest) < messageHeader {
			break
		}
		size := messageSize(rest)
		if c.taken+size > MaxHandshake {
			return Waiting, ErrTooLarge
		}
		if len(rest) < size {
			break
		}
		c.taken += size
		step, err := c.takeMessage(rest[:size:size])
		if err != nil || step != Waiting {
			return step, err
		}
	}
	return Waiting, nil
}

func (c *Client) takeMessage(message []byte) (Step, error) {
	kind, body := message[0], message[messageHeader:]
	switch {
	case c.state == helloSent:
		if err := c.flight.Take(kind, body); err != nil {
			return Waiting, err
		}
		if c.flight.Done {
			c.state = flightWhole
			return FlightWhole, nil
		}
		return Waiting, nil
	case c.state == finishSent && kind == typeNewSessionTicket: // the hello invited it (RFC 5077 §3.3)
		c.answer.Heard(message)
		return Waiting, nil
	case c.state == keyed && kind == typeFinished && c.taken == len(c.messages):
		if err := c.answer.Verify(body); err != nil {
			return Waiting, err
		}
		c.state = established
		return Done, nil
	}
	return Waiting, malformed("message of type %d out of turn", kind)
}

// Received takes the oldest application data that came; ok is false if none waits. It is to be called until then after
// each step Data: what waits is bounded by what was given to Take.
func (c *Client) Received() (data []byte, ok bool) {
	if len(c.received) == 0 {
		return nil, false
	}
	data, c.received = c.received[0], c.received[1:]
	return data, true
}

// Seal makes a record of application data of at most 2^14 bytes; nil before the step Done.
func (c *Client) Seal(data []byte) []byte {
	if c.state != established {
		return nil
	}
	return c.answer.Out.Seal(nil, recordApplicationData, data)
}

// Close makes the alert that ends a finished session politely (RFC 5246 §7.2.1); nil if there is none to end.
func (c *Client) Close() []byte {
	if c.state != established {
		return nil
	}
	return c.answer.Out.Seal(nil, recordAlert, []byte{alertWarning, alertCloseNotify})
}
