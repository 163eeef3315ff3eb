// Package coap asks a CoAP server whether it is there: the empty confirmable message of RFC 7252 §4.3, which every
// endpoint must answer with a reset, and the ping of RFC 8323 §5.4 for servers that frame CoAP over TCP as standardised.
//
// It opens no socket: a [Conn] is given, with its security and its clock. The codec is go-coap's; the exchange is here,
// because a ping over a session that is only being measured needs no client with its own goroutines.
package coap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/udp/coder"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

var (
	// ErrNoPong is returned when the deadline passed, or more than [maxMessages] came, without an answer to the ping. The
	// session still stands: a server may ignore the ping of a client that has not registered.
	ErrNoPong = errors.New("no answer to the ping")
	// ErrMalformed is returned when the server's bytes cannot be followed any further (RFC 8323 framing only; RFC 7252
	// messages stand each for itself, and a bad one is passed over: RFC 7252 §4.2).
	ErrMalformed = errors.New("malformed CoAP")
	// ErrReleased is returned when the server ended the session by RFC 8323 Release or Abort (§5.5, §5.6).
	ErrReleased = errors.New("released by the server")
)

// The transmission parameters of RFC 7252 §4.8. ACK_TIMEOUT is drawn once an exchange from ackTimeout to
// ackTimeout × 1.5 and doubles with each of at most maxRetransmit repetitions.
const (
	ackTimeout    = 2 * time.Second
	maxRetransmit = 4
)

// maxMessages bounds how many other messages one ping reads past: a server that notifies or asks us something at the
// same time is let be, one that floods us is not followed.
const maxMessages = 64

// maxMessage is the longest message read in bytes: that of RFC 7252 §4.6 with room to spare. A longer one is cut by the
// read and passed over (RFC 7252) or ends the exchange (RFC 8323).
const maxMessage = 2048

// Conn is a session that carries CoAP. One Write is one datagram or TLS record. One Read gives one datagram or record,
// or any part of the stream for RFC 8323. An error of Read that is a passed deadline says so by Timeout() == true.
type Conn interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
}

// Pinger says how to ping.
type Pinger struct {
	Framing measurement.Framing // empty: RFC7252
	// Unreliable repeats the message by RFC 7252 §4.2: set for UDP. With RFC8323 it has no meaning.
	Unreliable bool
}

// Ping sends one ping and waits until deadline for its answer. took is the time from the first sending to the answer;
// it is set only when err is nil. sent counts the messages sent, repetitions included. Errors of conn are wrapped.
func (p Pinger) Ping(conn Conn, deadline time.Time) (took time.Duration, sent int, err error) {
	if p.Framing == measurement.RFC8323 {
		return pingStream(conn, deadline)
	}
	return p.pingMessage(conn, deadline)
}

// Empty is the empty confirmable message with this id: 40 00 and the id (RFC 7252 §4.1).
func Empty(id uint16) []byte { return empty(message.Confirmable, id) }

// Reset is the message that answers an empty one: 70 00 and the id (RFC 7252 §4.2).
func Reset(id uint16) []byte { return empty(message.Reset, id) }

func empty(t message.Type, id uint16) []byte {
	buf := make([]byte, 4)
	if _, err := coder.DefaultCoder.Encode(message.Message{Type: t, Code: codes.Empty, MessageID: int32(id)}, buf); err != nil {
		panic("coap: an empty message does not encode: " + err.Error()) // only a fault of the codec can do this
	}
	return buf
}

// IsReset reports whether the bytes are the reset with this id and nothing else: an empty message has no byte after its
// id (RFC 7252 §4.1).
func IsReset(b []byte, id uint16) bool {
	if len(b) != 4 {
		return false
	}
	var m message.Message
	_, err := coder.DefaultCoder.Decode(b, &m)
	return err == nil && m.Type == message.Reset && m.Code == codes.Empty && len(m.Token) == 0 && m.MessageID == int32(id)
}

func (p Pinger) pingMessage(conn Conn, deadline time.Time) (took time.Duration, sent int, err error) {
	id := uint16(rand.Uint32())
	ping, buf := Empty(id), make([]byte, maxMessage)
	timeout := ackTimeout + rand.N(ackTimeout/2)
	started := time.Now()
	repeat := deadline
	for others := 0; others < maxMessages; {
		if sent == 0 || !repeat.After(time.Now()) && repeat.Before(deadline) {
			if _, err := conn.Write(ping); err != nil {
				return 0, sent, fmt.Errorf("send the empty message: %w", err)
			}
			sent++
			if repeat = deadline; p.Unreliable && sent <= maxRetransmit {
				repeat = earlier(time.Now().Add(timeout), deadline)
				timeout *= 2
			}
		}
		n, err := read(conn, buf, repeat)
		switch {
		case errors.Is(err, ErrNoPong) && repeat.Before(deadline):
		case err != nil:
			return 0, sent, err
		case IsReset(buf[:n], id):
			return time.Since(started), sent, nil
		default:
			others++ // a request of the server, an answer to an earlier message: not ours to act on
		}
	}
	return 0, sent, fmt.Errorf("%w among %d other messages", ErrNoPong, maxMessages)
}

// read waits for the next bytes until the deadline, which is ErrNoPong.
func read(conn Conn, buf []byte, deadline time.Time) (int, error) {
	if err := conn.SetReadDeadline(deadline); err != nil {
		return 0, fmt.Errorf("wait for the answer to the ping: %w", err)
	}
	n, err := conn.Read(buf)
	if err == nil {
		return n, nil
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return 0, fmt.Errorf("%w in time: %w", ErrNoPong, err)
	}
	return 0, fmt.Errorf("wait for the answer to the ping: %w", err)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
