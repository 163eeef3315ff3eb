// Package coap pings a CoAP server: with the empty confirmable message of RFC 7252 §4.3, which every endpoint must
// answer with a reset, or with the ping of RFC 8323 §5.4 for servers that use the standard framing of CoAP over TCP.
//
// It opens no socket: the caller gives it a [Conn]. The codec is go-coap's. The exchange is written here because
// go-coap's client runs its own goroutines, which a single ping over an existing session does not need.
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
	// ErrNoPong is returned when the deadline passed, or more than [maxMessages] messages came, without an answer to
	// the ping. The session may still be established: a server may ignore the ping of a client that has not
	// registered.
	ErrNoPong = errors.New("no answer to the ping")
	// ErrOtherFraming is wrapped by an ErrNoPong if the server frames CoAP by RFC 8323 and the ping was sent as RFC
	// 7252 has it: its Capabilities and Settings message was received.
	ErrOtherFraming = errors.New("the server frames CoAP by RFC 8323")
	// ErrMalformed is returned when the server's bytes cannot be parsed (RFC 8323 framing only; a malformed RFC 7252
	// message is ignored, as RFC 7252 §4.2 requires).
	ErrMalformed = errors.New("malformed CoAP")
	// ErrReleased is returned when the server ended the session by RFC 8323 Release or Abort (§5.5, §5.6).
	ErrReleased = errors.New("released by the server")
)

// Transmission parameters of RFC 7252 §4.8. The time-out of an exchange is chosen at random from ackTimeout to
// ackTimeout × 1.5 and doubles with each of at most maxRetransmit retransmissions.
const (
	ackTimeout    = 2 * time.Second
	maxRetransmit = 4
)

// maxMessages bounds the other messages that one ping ignores: notifications and requests of the server.
const maxMessages = 64

// maxMessage is the longest message that is read, in bytes; it is larger than the default of RFC 7252 §4.6. A longer
// message is truncated by the read and ignored (RFC 7252) or ends the exchange (RFC 8323).
const maxMessage = 2048

// Conn is a session that carries CoAP. One Write is one datagram or TLS record. One Read returns one datagram or
// record, or any part of the stream for RFC 8323. The error of a Read that reaches its deadline has a method Timeout
// that returns true.
type Conn interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
}

// Pinger configures a ping.
type Pinger struct {
	Framing measurement.Framing // empty: RFC7252
	// Unreliable retransmits the message by RFC 7252 §4.2; set it for UDP. RFC8323 ignores it.
	Unreliable bool
}

// Ping sends one ping and waits until deadline for its answer. sent counts the messages, retransmissions included.
// Errors of conn are wrapped.
func (p Pinger) Ping(conn Conn, deadline time.Time) (sent int, err error) {
	if p.Framing == measurement.RFC8323 {
		return pingStream(conn, deadline)
	}
	return p.pingMessage(conn, deadline)
}

// Empty returns the empty confirmable message with this id: 40 00 and the id (RFC 7252 §4.1).
func Empty(id uint16) []byte { return emptyMessage(message.Confirmable, id) }

// Reset returns the message that answers an empty one: 70 00 and the id (RFC 7252 §4.2).
func Reset(id uint16) []byte { return emptyMessage(message.Reset, id) }

func emptyMessage(t message.Type, id uint16) []byte {
	buf := make([]byte, 4)
	if _, err := coder.DefaultCoder.Encode(message.Message{Type: t, Code: codes.Empty, MessageID: int32(id)}, buf); err != nil {
		panic("coap: an empty message does not encode: " + err.Error()) // unreachable: the message is valid
	}
	return buf
}

// IsReset reports whether b is the reset with this id. An empty message ends after its id (RFC 7252 §4.1).
func IsReset(b []byte, id uint16) bool {
	if len(b) != 4 {
		return false
	}
	var m message.Message
	_, err := coder.DefaultCoder.Decode(b, &m)
	return err == nil && m.Type == message.Reset && m.Code == codes.Empty && len(m.Token) == 0 && m.MessageID == int32(id)
}

func (p Pinger) pingMessage(conn Conn, deadline time.Time) (sent int, err error) {
	id := uint16(rand.Uint32())
	ping, buf := Empty(id), make([]byte, maxMessage)
	timeout := ackTimeout + rand.N(ackTimeout/2)
	repeat := deadline
	otherFraming := false
	defer func() {
		if otherFraming && errors.Is(err, ErrNoPong) {
			err = fmt.Errorf("%w: %w", err, ErrOtherFraming)
		}
	}()
	for others := 0; others < maxMessages; {
		if sent == 0 || !repeat.After(time.Now()) && repeat.Before(deadline) {
			if _, err := conn.Write(ping); err != nil {
				return sent, fmt.Errorf("send the empty message: %w", err)
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
			return sent, err
		case IsReset(buf[:n], id):
			return sent, nil
		default:
			others++ // a request of the server, or an answer to an earlier message
			otherFraming = otherFraming || !p.Unreliable && isCSM(buf[:n])
		}
	}
	return sent, fmt.Errorf("%w among %d other messages", ErrNoPong, maxMessages)
}

// read reads the next bytes; it returns ErrNoPong at the deadline.
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
