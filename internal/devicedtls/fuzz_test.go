package devicedtls

import (
	"errors"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// FuzzDatagram gives any two datagrams to a client in each of its states. It must not panic, keep more than it may, fail in
// ways that it does not say, or come to the end of a handshake without the keys.
func FuzzDatagram(f *testing.F) {
	for state := range uint8(4) {
		for _, name := range []string{"openssl", "gnutls", "openssl-refuses"} {
			all := captured(f, name)
			for i := range all[1:] {
				f.Add(state, all[i], all[i+1])
			}
			f.Add(state, slices.Concat(all...), all[0])
		}
		f.Add(state, plain(recordAlert, 1, 0), plain(recordChangeCipherSpec, 1))
		f.Add(state, handshakeDatagram(0, fragment{kind: typeNewSessionTicket, length: 6, seq: 6, data: make([]byte, 6)}), []byte("HTTP/1.1"))
		f.Add(state, append(appendHeader(nil, recordApplicationData, Version, 1<<48, 24), make([]byte, 24)...), cookieDatagram(0, []byte{1}))
	}
	openssl := captured(f, "openssl")
	f.Fuzz(func(t *testing.T, state uint8, first, second []byte) {
		c := New([32]byte{})
		switch state % 4 {
		case 1:
			_, _ = c.Take(openssl[0])
		case 2:
			c = finishing(t)
		case 3:
			c = finishing(t)
			c.state = established
		}
		before := c.state
		for _, d := range [][]byte{first, second} {
			step, err := c.Take(d)
			var alert *devicetls.AlertError
			if err != nil && !errors.Is(err, devicetls.ErrMalformed) && !errors.As(err, &alert) {
				t.Errorf("an error of no announced kind: %v", err)
			}
			if before >= finishSent && (step == Done || step == Data || c.state != before) {
				t.Errorf("step %d, state %d without the keys", step, c.state)
			}
			if c.in.kept > devicetls.MaxHandshake || len(c.transcript) > 2*devicetls.MaxHandshake {
				t.Errorf("%d bytes of fragments and %d of messages are kept", c.in.kept, len(c.transcript))
			}
			if err != nil {
				break
			}
		}
		_, _ = c.Send(), c.Close()
		if flight := c.Flight(); flight.KeyProved && !flight.SignatureChecked {
			t.Error("a key is proved by a signature that was not checked")
		}
	})
}

// FuzzFragments cuts a message in the way that the bytes say, out of order and repeated, and puts it together again.
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
			parsed, _, ok := cutFragment(fragment{kind: 11, length: len(body), offset: at, data: body[at:end]}.bytes())
			if !ok {
				t.Fatal("a fragment does not parse")
			}
			if err := r.add(parsed); err != nil {
				t.Fatal(err)
			}
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

func BenchmarkFlight(b *testing.B) {
	flight := captured(b, "openssl")
	b.ReportAllocs()
	for b.Loop() {
		if step, err := take(New([32]byte{}), flight...); err != nil || step != FlightWhole {
			b.Fatal(step, err)
		}
	}
}
