package devicetls

import (
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"errors"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// finishedPair completes a handshake with the server.
func finishedPair(t *testing.T, s *testServer, size int) (c *Client, in, out *Protection) {
	t.Helper()
	c = New([32]byte{9})
	if _, err := c.Take(s.flight(t, c.random)); err != nil {
		t.Fatal(err)
	}
	key := ecdsaKey(t, elliptic.P256())
	answer, err := c.Finish(&tls.Certificate{Certificate: [][]byte{certify(t, key, 0, nil)}, PrivateKey: key})
	if err != nil {
		t.Fatal(err)
	}
	reply, in, out := s.finish(t, c, answer)
	step, err := takeInPieces(c, reply, size)
	if err != nil || step != Done {
		t.Fatalf("step %d, error %v", step, err)
	}
	return c, in, out
}

func TestFinish(t *testing.T) {
	for name, test := range map[string]struct {
		server testServer
		size   int
	}{
		"with extended master secret":    {size: 1 << 20},
		"without extended master secret": {server: testServer{extensions: withoutEMS}, size: 1 << 20},
		"with a session ticket":          {server: testServer{ticket: someTicket}, size: 1 << 20},
		"byte by byte":                   {server: testServer{ticket: someTicket}, size: 1},
		"no CertificateRequest":          {server: testServer{noRequest: true}, size: 7},
		"AES-128-GCM":                    {server: testServer{suite: SuiteGCM}, size: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			c, in, out := finishedPair(t, &test.server, test.size)
			sent := c.Seal([]byte("ping"))
			if got, err := in.Open(sent); err != nil || string(got) != "ping" {
				t.Errorf("the server opened %q, %v", got, err)
			}
			wire := out.Seal(nil, RecordHandshake, []byte{0, 0, 0, 0}) // HelloRequest
			wire = out.Seal(wire, RecordApplicationData, nil)
			wire = out.Seal(wire, RecordApplicationData, []byte("pong"))
			if step, err := takeInPieces(c, wire, test.size); err != nil || step != Data {
				t.Fatalf("step %d, error %v", step, err)
			}
			if got, ok := c.Received(); !ok || string(got) != "pong" {
				t.Errorf("received %q", got)
			}
			if got, err := in.Open(c.Close()); err != nil || !bytes.Equal(got, []byte{1, 0}) {
				t.Errorf("the server opened close_notify %v, %v", got, err)
			}
			var alert *AlertError
			if _, err := c.Take(out.Seal(nil, RecordAlert, []byte{1, 0})); !errors.As(err, &alert) || !alert.CloseNotify() {
				t.Errorf("error %v, want close_notify", err)
			}
		})
	}
}

func TestFinishTicket(t *testing.T) {
	long := func(n int) []byte {
		return append([]byte{0, 0, 0, 9, byte((n - 10) >> 8), byte(n - 10)}, make([]byte, n-10)...)
	} // of n bytes with the header
	for name, test := range map[string]struct {
		server testServer
		want   []measurement.UnfitReason
	}{
		"announced and sent: fit":         {server: testServer{ticket: someTicket}},
		"announced and empty: fit":        {server: testServer{ticket: make([]byte, 6)}},
		"neither announced nor sent: fit": {},
		"of 4096 bytes: fit":              {server: testServer{ticket: long(4096)}},
		"of 4097 bytes: unfit":            {testServer{ticket: long(4097)}, []measurement.UnfitReason{{Kind: measurement.UnfitMessageTooLong, N: 4097, Max: 4096}}},
		"announced and not sent: unfit":   {testServer{announced: true}, []measurement.UnfitReason{{Kind: measurement.UnfitTicketMissing}}},
		"sent and not announced: unfit":   {testServer{ticket: someTicket, unannounced: true}, []measurement.UnfitReason{{Kind: measurement.UnfitTicketUnexpected}}},
		"sent twice: unfit":               {testServer{ticket: someTicket, tickets: 2}, []measurement.UnfitReason{{Kind: measurement.UnfitTicketUnexpected}}},
		"split into records: unfit":       {testServer{ticket: someTicket, ticketCut: 3}, []measurement.UnfitReason{{Kind: measurement.UnfitSplitMessage, Text: "NewSessionTicket"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _ := finishedPair(t, &test.server, 1<<20)
			if unfit := c.Flight().Unfit; !slices.Equal(unfit, test.want) {
				t.Errorf("unfit %+v, want %+v", unfit, test.want)
			}
		})
	}
	for name, ticket := range map[string][]byte{
		"shorter than its header": {0, 0, 0, 9, 0},
		"longer than the message": {0, 0, 0, 9, 0, 3, 1},
		"bytes after the ticket":  {0, 0, 0, 9, 0, 1, 1, 2},
	} {
		t.Run(name+": malformed", func(t *testing.T) {
			if _, err := finishWith(t, &testServer{ticket: ticket}); !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v, want ErrMalformed", err)
			}
		})
	}
}

// finishWith gives the whole answer of a server to a client at once.
func finishWith(t *testing.T, s *testServer, more ...func(out *Protection) []byte) (Step, error) {
	t.Helper()
	c := New([32]byte{9})
	if _, err := c.Take(s.flight(t, c.random)); err != nil {
		t.Fatal(err)
	}
	answer, err := c.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, _, out := s.finish(t, c, answer)
	for _, m := range more {
		reply = append(reply, m(out)...)
	}
	return c.Take(reply)
}

// TestFinishThenEnd: the session is established even if its end comes in the same bytes as the server's Finished.
func TestFinishThenEnd(t *testing.T) {
	protected := func(alert ...byte) func(*Protection) []byte {
		return func(out *Protection) []byte { return out.Seal(nil, RecordAlert, alert) }
	}
	for name, test := range map[string]struct {
		server testServer
		more   []func(*Protection) []byte
		err    bool
	}{
		"close_notify":            {more: []func(*Protection) []byte{protected(1, 0)}, err: true},
		"a fatal alert":           {more: []func(*Protection) []byte{protected(2, 80)}, err: true},
		"an alert in the clear":   {more: []func(*Protection) []byte{func(*Protection) []byte { return record(RecordAlert, []byte{2, 80}) }}, err: true},
		"a message in the record": {server: testServer{afterFinished: message(t, 0, raw(nil))}},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := finishWith(t, &test.server, test.more...)
			if step != Done || (err != nil) != test.err {
				t.Errorf("step %d, error %v; want Done", step, err)
			}
		})
	}
}

func TestTakeForgedRecord(t *testing.T) {
	for name, forge := range map[string]func(c *Client, out *Protection) []byte{
		"data in the clear": func(*Client, *Protection) []byte { return record(RecordApplicationData, []byte("a long enough text")) },
		"data too short":    func(*Client, *Protection) []byte { return record(RecordApplicationData, []byte{1}) },
		"an alert in the clear": func(*Client, *Protection) []byte {
			return record(RecordAlert, []byte{2, 48})
		},
		"record changed": func(_ *Client, out *Protection) []byte {
			b := out.Seal(nil, RecordApplicationData, []byte("pong"))
			b[len(b)-1] ^= 1
			return b
		},
		"the client's own record": func(c *Client, _ *Protection) []byte { return c.Seal([]byte("ping")) },
	} {
		t.Run(name, func(t *testing.T) {
			c, _, out := finishedPair(t, new(testServer), 1<<20)
			if _, err := c.Take(forge(c, out)); !errors.Is(err, ErrNotVerified) {
				t.Errorf("error %v, want ErrNotVerified", err)
			}
		})
	}
}

func TestFinishWithoutKeys(t *testing.T) {
	c := New([32]byte{9})
	s := new(testServer)
	if _, err := c.Take(s.flight(t, c.random)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	wire := append(record(RecordChangeCipherSpec, []byte{1}), record(RecordHandshake, make([]byte, 8+16+8))...)
	if _, err := c.Take(wire); !errors.Is(err, ErrNotVerified) {
		t.Errorf("error %v, want ErrNotVerified", err)
	}
}

func TestFinishCredential(t *testing.T) {
	for name, certificate := range map[string]*tls.Certificate{
		"RSA":    {PrivateKey: rsaKey(t)},
		"no key": {},
	} {
		c := New([32]byte{9})
		if _, err := c.Take(new(testServer).flight(t, c.random)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Finish(certificate); !errors.Is(err, ErrCredential) {
			t.Errorf("%s: %v, want ErrCredential", name, err)
		}
	}
}

func TestTakeBeforeFinish(t *testing.T) {
	c := New([32]byte{9})
	flight := new(testServer).flight(t, c.random)
	if step, err := c.Take(append(flight, record(RecordAlert, []byte{2, 80})...)); err != nil || step != FlightComplete {
		t.Fatalf("step %d, error %v", step, err)
	}
	if _, err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	var alert *AlertError
	if _, err := c.Take(nil); !errors.As(err, &alert) || alert.Description != 80 {
		t.Errorf("error %v, want the alert that came with the flight", err)
	}
}
