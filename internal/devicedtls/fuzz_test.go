package devicedtls

import (
	"errors"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// FuzzDatagram gives any two datagrams to a client in each of its states. The client must not panic, keep more than
// MaxHandshake bytes, return undocumented errors, or complete a handshake without the keys. All inputs use copies of
// the same clients, because an ECDH key takes longer to generate than an input to run.
func FuzzDatagram(f *testing.F) {
	for state := range uint8(4) {
		for _, name := range []string{"openssl", "gnutls", "openssl-refuses"} {
			all := captured(f, name)
			for i := range all[1:] {
				f.Add(state, all[i], all[i+1])
			}
			f.Add(state, slices.Concat(all...), all[0])
		}
		f.Add(state, plain(devicetls.RecordAlert, 1, 0), plain(devicetls.RecordChangeCipherSpec, 1))
		f.Add(state, handshakeDatagram(0, fragment{messageType: devicetls.TypeNewSessionTicket, length: 6, seq: 6, data: make([]byte, 6)}), []byte("HTTP/1.1"))
		f.Add(state, append(appendHeader(nil, devicetls.RecordApplicationData, Version, 1<<48, nil, 24), make([]byte, 24)...), cookieDatagram(0, []byte{1}))
	}
	afterCookie := New([32]byte{})
	if _, err := afterCookie.Take(captured(f, "openssl")[0]); err != nil {
		f.Fatal(err)
	}
	open := finishing(f)
	open.state, open.epoch = established, 1
	clients := []*Client{New([32]byte{}), afterCookie, finishing(f), open}
	f.Fuzz(func(t *testing.T, state uint8, first, second []byte) {
		c := clients[int(state)%len(clients)].clone()
		before := c.state
		for _, d := range [][]byte{first, second} {
			step, err := c.Take(d)
			var alert *devicetls.AlertError
			if err != nil && !errors.Is(err, devicetls.ErrMalformed) && !errors.Is(err, devicetls.ErrNotVerified) && !errors.As(err, &alert) {
				t.Errorf("undocumented error: %v", err)
			}
			if before >= finishSent && (step == Done || step == Data || c.state != before) {
				t.Errorf("step %d, state %d without the keys", step, c.state)
			}
			if c.in.size > devicetls.MaxHandshake || len(c.transcript) > 2*devicetls.MaxHandshake {
				t.Errorf("%d bytes of fragments and %d of messages are kept", c.in.size, len(c.transcript))
			}
			if err != nil {
				break
			}
		}
		_, _ = c.Send(), c.Close()
		if flight := c.Flight(); flight.KeyProved && !flight.SignatureChecked {
			t.Error("the key is proved by a signature that was not checked")
		}
	})
}

// FuzzFragments reassembles a message from fragments whose offsets and lengths are in cuts.
func FuzzFragments(f *testing.F) {
	f.Add(counting(300), []byte{0, 100, 100, 100, 200, 100})
	f.Add(counting(5), []byte{4, 1, 0, 5})
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, body, cuts []byte) {
		if len(body) > 1<<12 {
			body = body[:1<<12]
		}
		var r reassembler
		have := make([]bool, len(body))
		for ; len(cuts) >= 2; cuts = cuts[2:] {
			at := min(int(cuts[0])*16, len(body))
			end := min(at+int(cuts[1]), len(body))
			parsed, _, ok := parseFragment(fragment{messageType: 11, length: len(body), offset: at, data: body[at:end]}.bytes())
			if !ok {
				t.Fatal("a fragment does not parse")
			}
			r.add(parsed)
			for i := at; i < end; i++ {
				have[i] = true
			}
			if m, ok := r.pop(); ok {
				if slices.Contains(have, false) || !slices.Equal(m.Body, body) {
					t.Fatalf("got % x with %v, want % x", m.Body, have, body)
				}
				return
			}
			if !slices.Contains(have, false) {
				t.Fatal("every byte came, but no message")
			}
		}
	})
}

// clone returns an independent copy of a client. What never changes is shared.
func (c *Client) clone() *Client {
	out, flight := *c, *c.flight
	out.flight, out.out, out.transcript = &flight, slices.Clone(c.out), slices.Clone(c.transcript)
	if c.answer != nil {
		answer := *c.answer
		out.answer = &answer
	}
	return &out
}

func BenchmarkFlight(b *testing.B) {
	flight := captured(b, "openssl")
	b.ReportAllocs()
	for b.Loop() {
		if step, err := take(New([32]byte{}), flight...); err != nil || step != FlightComplete {
			b.Fatal(step, err)
		}
	}
}
