package lab

import (
	"encoding/binary"
)

// CoAP configures how a server answers CoAP pings.
type CoAP struct {
	// Framed speaks RFC 8323 (CSM, 7.02 answered by 7.03) instead of plain RFC 7252 messages in TLS records. TCP only.
	Framed bool
	// Mute ignores pings, as a server may do for clients that it does not know.
	Mute bool
}

// Codes of RFC 8323 §5.
const (
	codeCSM  = 0xe1 // 7.01
	codePing = 0xe2 // 7.02
	codePong = 0xe3 // 7.03
)

// greeting is what the server sends first: a CSM in RFC 8323, else nothing.
func (c CoAP) greeting() []byte {
	if c.Framed {
		return []byte{0, codeCSM}
	}
	return nil
}

// answer is the reply to the messages in data; nil if they need none.
func (c CoAP) answer(data []byte) []byte {
	switch {
	case c.Mute:
		return nil
	case c.Framed:
		return answerFramed(data)
	default:
		return answerPlain(data)
	}
}

// answerPlain answers an empty confirmable message by a reset with its message id (RFC 7252 §4.3).
func answerPlain(data []byte) []byte {
	const confirmable, reset = 0x40, 0x70
	if len(data) != 4 || data[0] != confirmable || data[1] != 0 {
		return nil
	}
	return binary.BigEndian.AppendUint16([]byte{reset, 0}, binary.BigEndian.Uint16(data[2:]))
}

// answerFramed answers each ping in data by a pong with its token (RFC 8323 §5.4). It stops at a message with 13 or
// more bytes of options and payload: pings are shorter.
func answerFramed(data []byte) []byte {
	var out []byte
	for len(data) >= 2 {
		length, token := int(data[0]>>4), int(data[0]&0x0f)
		size := 2 + token + length
		if length >= 13 || token > 8 || size > len(data) {
			return out
		}
		if data[1] == codePing {
			out = append(append(out, byte(token), codePong), data[2:2+token]...)
		}
		data = data[size:]
	}
	return out
}
