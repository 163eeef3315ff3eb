package devicetls

import (
	"bytes"
	"encoding/binary"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Step is the result of [Client.Take]. If the bytes led to several, it is the greatest.
type Step int

const (
	// Waiting means that more bytes are needed.
	Waiting Step = iota
	// Data means that application data came; see [Client.Received].
	Data
	// FlightComplete means that the server flight is complete; see [Client.Flight].
	FlightComplete
	// Done means that the server's Finished is verified; application data may be sent.
	Done
)

type state uint8

// States of a client in the handshake (RFC 5246 §7.3).
//
//	helloSent --FlightComplete--> flightComplete --Finish()--> finishSent --CCS--> encrypted --Done--> established
const (
	helloSent state = iota
	flightComplete
	finishSent
	encrypted
	established
)

const (
	messageHeader = 4
	// maxWarnings bounds the warning alerts that are ignored. A device has no limit.
	maxWarnings = 1024
	// maxLine bounds the bytes that are kept of an answer that is not TLS.
	maxLine = 160
)

// Client is the device's side of one TLS session. It is not safe for concurrent use.
type Client struct {
	state  state
	hello  []byte // the record
	random [32]byte
	flight *Flight

	buffered   []byte // an incomplete record, or the beginning of an answer that is not TLS
	recordSeen bool   // a record header was seen
	notTLS     bool
	warnings   int
	ended      error // the error that ended the session, returned by every later Take

	messages  []byte  // the server's handshake messages, as received
	processed int     // bytes of messages that were processed
	split     bool    // a message split across records was found
	answer    *Answer // set by Finish
	received  [][]byte
}

// New returns a client whose hello has this random.
func New(random [32]byte) *Client {
	return &Client{random: random, hello: Hello(random), flight: NewFlight(random, Version)}
}

// Hello returns the first record to send.
func (c *Client) Hello() []byte { return c.hello }

// Flight returns the server flight as far as it was received.
func (c *Client) Flight() *Flight { return c.flight }

// Take processes received bytes, in pieces of any size. An error ends the session: an [AlertError], a [NotTLSError], a
// [MalformedError] or [ErrNotVerified]. The error does not depend on the sizes of the pieces.
//
// After FlightComplete no more records are processed until [Client.Finish]: bytes that come earlier are kept for the
// next call.
func (c *Client) Take(b []byte) (Step, error) {
	if c.ended != nil {
		return Waiting, c.ended
	}
	data := b
	if len(c.buffered) > 0 {
		c.buffered = append(c.buffered, b...)
		data = c.buffered
	}
	step, rest, err := c.process(data)
	c.buffered = append(c.buffered[:0], rest...)
	c.ended = err
	return step, err
}

// End tells the client that no more bytes will come. It returns a [NotTLSError] if the answer did not begin as TLS.
func (c *Client) End() error {
	if c.ended == nil && c.notTLS {
		c.ended = newNotTLSError(c.buffered)
	}
	return c.ended
}

// process processes the complete records of data and returns the rest.
func (c *Client) process(data []byte) (step Step, rest []byte, err error) {
	if step, err = c.takeMessages(); err != nil {
		return step, nil, err
	}
	for c.state != flightComplete {
		if err := c.detectTLS(data); err != nil || c.notTLS {
			return step, data, err
		}
		if len(data) < recordHeader {
			break
		}
		c.recordSeen = true
		length := int(binary.BigEndian.Uint16(data[3:]))
		if data[2] > Version&0xff {
			return step, nil, malformed(measurement.DetailRecordVersion, int(data[1])<<8|int(data[2]))
		}
		if err := c.checkLength(length); err != nil {
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

// detectTLS distinguishes a record header from other bytes. The result for other bytes is delayed until the end of
// their first line, or maxLine bytes, so that it does not depend on the sizes of the pieces.
func (c *Client) detectTLS(data []byte) error {
	if !c.notTLS {
		const newest = 4 // TLS 1.3, which no record of TLS 1.2 has, but which is not another protocol either
		ok := (len(data) < 1 || data[0] >= RecordChangeCipherSpec && data[0] <= RecordApplicationData) &&
			(len(data) < 2 || data[1] == 3) && (len(data) < 3 || data[2] <= newest)
		if ok {
			return nil
		}
		if c.recordSeen {
			return malformed(measurement.DetailRecordMissing, 0)
		}
		c.notTLS = true
	}
	if line := bytes.TrimLeft(data, whitespace); len(data) >= 2*maxLine || len(line) >= maxLine || bytes.IndexByte(line, '\n') >= 0 {
		return newNotTLSError(data)
	}
	return nil
}

// checkLength bounds a record (RFC 5246 §6.2.1, §6.2.3). Only application data may be empty, which is always
// encrypted, and then has at least its nonce and tag.
func (c *Client) checkLength(length int) error {
	most := MaxPlaintext
	if c.state >= encrypted {
		most = maxProtected
	}
	if length > most || length == 0 {
		return malformed(measurement.DetailRecordLength, length)
	}
	return nil
}

// takeRecord processes a record, header included: it decrypts it if the server has sent ChangeCipherSpec.
func (c *Client) takeRecord(record []byte) (Step, error) {
	body := record[recordHeader:]
	if c.state >= encrypted {
		var err error
		if body, err = c.answer.In.Open(record); err != nil {
			return Waiting, err
		}
	}
	switch contentType := record[0]; {
	case len(body) == 0 && contentType != RecordApplicationData:
		return Waiting, malformed(measurement.DetailRecordLength, 0)
	case contentType == RecordAlert:
		return Waiting, c.takeAlert(body)
	case contentType == RecordHandshake && c.state == established:
		return Waiting, nil // a HelloRequest, which a client may ignore (RFC 5246 §7.4.1.1)
	case contentType == RecordHandshake:
		if len(c.messages)+len(body) > MaxHandshake {
			return Waiting, ErrTooLong
		}
		c.checkRecord(body)
		if c.messages == nil {
			c.messages = make([]byte, 0, max(1536, len(body)))
		}
		c.messages = append(c.messages, body...)
		return c.takeMessages()
	case contentType == RecordChangeCipherSpec && c.state == finishSent && c.processed == len(c.messages) &&
		len(body) == 1 && body[0] == 1:
		c.flight.EndTickets()
		c.state = encrypted
		return Waiting, nil
	case contentType == RecordApplicationData && c.state == established:
		if len(body) == 0 {
			return Waiting, nil
		}
		c.received = append(c.received, bytes.Clone(body))
		return Data, nil
	}
	return Waiting, malformed(measurement.DetailUnexpectedRecord, int(record[0]))
}

// checkRecord reports what a device cannot use in a handshake record. RFC 5246 §6.2.1 allows several messages in one
// record, and one message in several records. Mbed TLS 2.28 accepts the first, but over TCP does not reassemble a
// message from several records, even if only its header is split. Its buffer holds one record of at most MaxMessage
// bytes.
func (c *Client) checkRecord(body []byte) {
	switch continued := c.processed < len(c.messages); {
	case continued && !c.split:
		c.split = true
		c.flight.unfit(measurement.UnfitReason{Kind: measurement.UnfitSplitMessage, Text: MessageName(c.messages[c.processed])})
	case !continued && len(body) > MaxMessage && len(body) > messageSize(body): // otherwise the message is too long
		c.flight.unfit(measurement.UnfitReason{Kind: measurement.UnfitRecordTooLong, N: len(body), Max: MaxMessage})
	}
}

// messageSize returns the size of the message whose header b begins with, header included.
func messageSize(b []byte) int {
	return messageHeader + (int(b[1])<<16 | int(b[2])<<8 | int(b[3]))
}

func (c *Client) takeAlert(body []byte) error {
	if err := CheckAlert(body); err != nil {
		return err
	}
	if c.warnings++; c.warnings > maxWarnings {
		return &MalformedError{measurement.Detail{Kind: measurement.DetailTooManyWarnings, Max: maxWarnings}}
	}
	return nil
}

// takeMessages processes the complete handshake messages.
func (c *Client) takeMessages() (Step, error) {
	for c.state != flightComplete && c.state != established {
		rest := c.messages[c.processed:]
		if len(rest) < messageHeader {
			break
		}
		size := messageSize(rest)
		if c.processed+size > MaxHandshake {
			return Waiting, ErrTooLong
		}
		if len(rest) < size {
			break
		}
		c.processed += size
		step, err := c.takeMessage(rest[:size:size])
		if err != nil || step != Waiting {
			return step, err
		}
	}
	return Waiting, nil
}

// takeMessage processes a handshake message, header included, of at most MaxHandshake bytes.
func (c *Client) takeMessage(message []byte) (Step, error) {
	messageType, body := message[0], message[messageHeader:]
	switch {
	case c.state == helloSent:
		if err := c.flight.Take(messageType, body); err != nil {
			return Waiting, err
		}
		if c.flight.Done {
			c.state = flightComplete
			return FlightComplete, nil
		}
		return Waiting, nil
	case c.state == finishSent && messageType == TypeNewSessionTicket:
		c.answer.AddToTranscript(message)
		return Waiting, c.flight.TakeTicket(body)
	case c.state == encrypted && messageType == TypeFinished:
		if err := c.answer.Verify(body); err != nil {
			return Waiting, err
		}
		c.state = established
		return Done, nil
	}
	return Waiting, malformed(measurement.DetailUnexpectedMessage, int(messageType))
}

// CipherChanged reports whether the server has sent ChangeCipherSpec: it has accepted the client's flight.
func (c *Client) CipherChanged() bool { return c.state >= encrypted }

// Received returns the oldest application data; ok is false if no data waits. Call it until then after each step
// Data: the client keeps everything that was given to Take.
func (c *Client) Received() (data []byte, ok bool) {
	if len(c.received) == 0 {
		return nil, false
	}
	data, c.received = c.received[0], c.received[1:]
	return data, true
}

// Seal returns a record of application data of at most 2^14 bytes; nil before the step Done.
func (c *Client) Seal(data []byte) []byte {
	if c.state != established {
		return nil
	}
	return c.answer.Out.Seal(nil, RecordApplicationData, data)
}

// Close returns the record of a close_notify alert (RFC 5246 §7.2.1); nil before the step Done.
func (c *Client) Close() []byte {
	if c.state != established {
		return nil
	}
	return c.answer.Out.Seal(nil, RecordAlert, []byte{AlertWarning, AlertCloseNotify})
}
