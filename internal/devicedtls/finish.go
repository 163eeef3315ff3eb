package devicedtls

import (
	"crypto/tls"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// Finish makes the device's answer to a complete flight the current flight; see [devicetls.Flight.Answer]. It returns
// [devicetls.ErrNotReady] before FlightComplete.
func (c *Client) Finish(certificate *tls.Certificate) error {
	if c.state != flightComplete {
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
		c.out = append(c.out, outgoing{contentType: devicetls.RecordHandshake, version: Version, message: numbered(n, m)})
	}
	c.out = append(c.out,
		outgoing{contentType: devicetls.RecordChangeCipherSpec, version: Version, body: []byte{1}},
		outgoing{contentType: devicetls.RecordHandshake, version: Version, epoch: 1, message: numbered(finished, answer.Messages[finished])})
	c.state, c.answer, c.transcript = finishSent, answer, nil
	return nil
}
