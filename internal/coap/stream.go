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

// pingStream pings by RFC 8323: it sends a Capabilities and Settings message with the default settings, which must be
// the first message of a connection (§5.3), and a Ping whose token the Pong should repeat (§5.4). It answers a Ping
// of the server and ignores its settings and requests.
//
// A session that is pinged again sends its settings again, which §5.3 allows at any time.
func pingStream(conn Conn, deadline time.Time) (sent int, err error) {
	token := binary.BigEndian.AppendUint16(nil, uint16(rand.Uint32()))
	if _, err := conn.Write(append(signalMessage(codes.CSM, nil), signalMessage(codes.Ping, token)...)); err != nil {
		return 0, fmt.Errorf("send the settings and the ping: %w", err)
	}
	sent = 1
	buf := make([]byte, 0, maxMessage)
	for others := 0; others < maxMessages; {
		h, err := parseHeader(buf)
		switch {
		case errors.Is(err, message.ErrShortRead):
			n, err := read(conn, buf[len(buf):cap(buf)], deadline)
			if err != nil {
				return sent, err
			}
			if n == 0 {
				others++ // an empty record is allowed, so their number must be bounded
			}
			buf = buf[:len(buf)+n]
			continue
		case err != nil:
			return sent, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		switch h.Code {
		case codes.Pong:
			if len(h.Token) == 0 || string(h.Token) == string(token) { // libcoap up to 4.3.1 repeats no token
				return sent, nil
			}
		case codes.Ping:
			if _, err := conn.Write(signalMessage(codes.Pong, h.Token)); err != nil {
				return sent, fmt.Errorf("answer the server's ping: %w", err)
			}
		case codes.Release, codes.Abort:
			return sent, fmt.Errorf("%w: %v", ErrReleased, h.Code)
		}
		others++
		buf = buf[:copy(buf, buf[h.MessageLength:])]
	}
	return sent, fmt.Errorf("%w among %d other messages", ErrNoPong, maxMessages)
}

// errTooLong means that a message announces more than maxMessage bytes.
var errTooLong = fmt.Errorf("a message of more than %d bytes", maxMessage)

// parseHeader parses the header of the message at the start of buf. It returns [message.ErrShortRead] until the message
// is complete.
func parseHeader(buf []byte) (h coder.MessageHeader, err error) {
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

// isCSM reports whether b begins with a Capabilities and Settings message (RFC 8323 §5.3).
func isCSM(b []byte) bool {
	h, err := parseHeader(b)
	return err == nil && h.Code == codes.CSM
}

// signalMessage returns a signalling message (RFC 8323 §5) without options.
func signalMessage(code codes.Code, token []byte) []byte {
	buf := make([]byte, 2+len(token))
	if _, err := coder.DefaultCoder.Encode(message.Message{Code: code, Token: token}, buf); err != nil {
		panic("coap: a signalling message does not encode: " + err.Error()) // unreachable: a decoded token has at most 8 bytes
	}
	return buf
}
