package devicedtls

import (
	"crypto/tls"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// Finish prepares the device's answer to a whole flight, which is then the flight to send; see [devicetls.Answer].
func (c *Client) Finish(certificate *tls.Certificate) error {
	if c.state != flightWhole {
		return devicetls.ErrNotReady
	}
	numbered := func(n int, m devicetls.Message) message {
		return message{Message: m, seq: c.helloSeq + 1 + uint16(n)}
	}
	answer, err := c.flight.Answer(certificate, c.transcript, func(b []byte, n int, m devicetls.Message) []byte {
		return numbered(n, m).appendWhole(b)
	})
	if err != nil {
		return err
	}
	c.out = nil
	finished := len(answer.Messages) - 1
	for n, m := range answer.Messages[:finished] {
		c.out = append(c.out, outgoing{kind: recordHandshake, version: Version, message: numbered(n, m)})
	}
	c.out = append(c.out,
		outgoing{kind: recordChangeCipherSpec, version: Version, body: []byte{1}},
		outgoing{kind: recordHandshake, version: Version, epoch: 1, message: numbered(finished, answer.Messages[finished])})
	c.state, c.answer, c.transcript = finishSent, answer, nil
	return nil
}
