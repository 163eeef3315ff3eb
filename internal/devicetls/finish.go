package devicetls

import (
	"crypto/tls"
	"encoding/binary"
	"slices"
)

// Finish returns the device's answer to a complete flight, to be sent at once; see [Flight.Answer]. It returns
// [ErrNotReady] before FlightComplete.
func (c *Client) Finish(certificate *tls.Certificate) ([]byte, error) {
	if c.state != flightComplete {
		return nil, ErrNotReady
	}
	transcript := slices.Concat(c.hello[recordHeader:], c.messages[:c.processed])
	answer, err := c.flight.Answer(certificate, transcript, frame)
	if err != nil {
		return nil, err
	}
	var wire []byte
	finished := len(answer.Messages) - 1
	for n, m := range answer.Messages[:finished] {
		wire = appendRecords(wire, frame(nil, n, m))
	}
	wire = append(wire, RecordChangeCipherSpec, 3, 3, 0, 1, 1)
	c.state, c.answer = finishSent, answer
	return answer.Out.Seal(wire, RecordHandshake, frame(nil, finished, answer.Messages[finished])), nil
}

// frame appends a message with its header: type and length (RFC 5246 §7.4).
func frame(b []byte, _ int, m Message) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(m.Type)<<24|uint32(len(m.Body)))
	return append(b, m.Body...)
}

// appendRecords appends a handshake message in records of at most MaxPlaintext bytes.
func appendRecords(b, message []byte) []byte {
	for part := range slices.Chunk(message, MaxPlaintext) {
		b = append(b, RecordHandshake, 3, 3)
		b = binary.BigEndian.AppendUint16(b, uint16(len(part)))
		b = append(b, part...)
	}
	return b
}
