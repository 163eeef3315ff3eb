package coap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/plgd-dev/go-coap/v3/message"
	"github.com/plgd-dev/go-coap/v3/message/codes"
	"github.com/plgd-dev/go-coap/v3/tcp/coder"
)

// pingStream pings by RFC 8323: our Capabilities and Settings message, which must be the first of a connection (§5.3) and
// says nothing but the defaults, then a Ping whose token its Pong should repeat (§5.4). A Ping of the server is answered; its
// settings and requests are passed over, for nothing is sent that they would change.
//
// On a session that is pinged again the settings are sent again, which §5.3 allows at any time.
func pingStream(conn Conn, deadline time.Time) (took time.Duration, sent int, err error) {
	token := binary.BigEndian.AppendUint16(nil, uint16(rand.Uint32()))
	started := time.Now()
	if _, err := conn.Write(append(signal(codes.CSM, nil), signal(codes.Ping, token)...)); err != nil {
		return 0, 0, fmt.Errorf("send the settings and the ping: %w", err)
	}
	sent = 1
	buf := make([]byte, 0, maxMessage)
	for others := 0; others < maxMessages; {
		h, err := frame(buf)
		switch {
		case errors.Is(err, message.ErrShortRead):
			n, err := read(conn, buf[len(buf):cap(buf)], deadline)
			if err != nil {
				return 0, sent, err
			}
			if n == 0 {
				others++ // an empty record is allowed and could come without end
			}
			buf = buf[:len(buf)+n]
			continue
		case err != nil:
			return 0, sent, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		switch h.Code {
		case codes.Pong:
			if len(h.Token) == 0 || string(h.Token) == string(token) { // libcoap up to 4.3.1, for one, repeats none
				return time.Since(started), sent, nil
			}
		case codes.Ping:
			if _, err := conn.Write(signal(codes.Pong, h.Token)); err != nil {
				return 0, sent, fmt.Errorf("answer the server's ping: %w", err)
			}
		case codes.Release, codes.Abort:
			return 0, sent, fmt.Errorf("%w: %v", ErrReleased, h.Code)
		}
		others++
		buf = buf[:copy(buf, buf[h.MessageLength:])]
	}
	return 0, sent, fmt.Errorf("%w among %d other messages", ErrNoPong, maxMessages)
}

// errTooLong means a message that announces more than is read here.
var errTooLong = fmt.Errorf("a message of more than %d bytes", maxMessage)

// frame reads the header of the message that buf begins with; [message.ErrShortRead] until the message is whole.
func frame(buf []byte) (h coder.MessageHeader, err error) {
	if _, err := coder.DefaultCoder.DecodeHeader(buf, &h); err != nil {
		return h, err
	}
	if h.MessageLength > maxMessage {
		return h, errTooLong
	}
	if int(h.MessageLength) > len(buf) {
		return h, message.ErrShortRead
	}
	return h, nil
}

// signal is a signalling message of RFC 8323 §5 without options.
func signal(code codes.Code, token []byte) []byte {
	buf := make([]byte, 2+len(token))
	if _, err := coder.DefaultCoder.Encode(message.Message{Code: code, Token: token}, buf); err != nil {
		panic("coap: a signalling message does not encode: " + err.Error()) // tokens come decoded: at most 8 bytes
	}
	return buf
}
