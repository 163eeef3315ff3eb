package devicetls

import (
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"errors"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func finishedPair(t *testing.T, s *testServer, ticket bool, size int) (c *Client, in, out *Protection) {
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
	reply, in, out := s.finish(t, c, answer, ticket)
	step, err := takeInPieces(c, reply, size)
	if err != nil || step != Done {
		t.Fatalf("step %d, error %v", step, err)
	}
	return c, in, out
}

func TestFinish(t *testing.T) {
	for name, test := range map[string]struct {
		server testServer
		ticket bool
		size   int
	}{
		"with extended master secret":    {size: 1 << 20},
		"without extended master secret": {server: testServer{extensions: withoutEMS}, size: 1 << 20},
		"with a session ticket":          {ticket: true, size: 1 << 20},
		"byte by byte":                   {ticket: true, size: 1},
		"no CertificateRequest":          {server: testServer{noRequest: true}, size: 7},
		"AES-128-GCM":                    {server: testServer{suite: SuiteGCM}, size: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			c, in, out := finishedPair(t, &test.server, test.ticket, test.size)
			sent := c.Seal([]byte("ping"))
			if got, err := in.Open(sent); err != nil || string(got) != "ping" {
				t.Errorf("the server opened %q, %v", got, err)
			}
			wire := out.Seal(nil, recordHandshake, []byte{0, 0, 0, 0}) // HelloRequest
			wire = out.Seal(wire, recordApplicationData, nil)
			wire = out.Seal(wire, recordApplicationData, []byte("pong"))
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
			if _, err := c.Take(out.Seal(nil, recordAlert, []byte{1, 0})); !errors.As(err, &alert) || !alert.CloseNotify() {
				t.Errorf("error %v, want close_notify", err)
			}
		})
	}
}

// TestFinishSplitTicket: the ticket holds the client certificate, so it may be split where the flight is not.
func TestFinishSplitTicket(t *testing.T) {
	c, _, _ := finishedPair(t, new(testServer), true, 1<<20)
	if unfit := c.Flight().Unfit; len(unfit) > 0 {
		t.Errorf("in one record: unfit %+v", unfit)
	}
	c, _, _ = finishedPair(t, &testServer{ticketCut: 3}, true, 1<<20)
	want := measurement.UnfitReason{Kind: measurement.UnfitSplitMessage, Text: "NewSessionTicket"}
	if unfit := c.Flight().Unfit; len(unfit) != 1 || unfit[0] != want {
		t.Errorf("split: unfit %+v, want %+v", unfit, want)
	}
}

func TestTakeForgedRecord(t *testing.T) {
	for name, forge := range map[string]func(c *Client, out *Protection) []byte{
		"data in the clear": func(*Client, *Protection) []byte { return record(recordApplicationData, []byte("a long enough text")) },
		"data too short":    func(*Client, *Protection) []byte { return record(recordApplicationData, []byte{1}) },
		"an alert in the clear": func(*Client, *Protection) []byte {
			return record(recordAlert, []byte{2, 48})
		},
		"record changed": func(_ *Client, out *Protection) []byte {
			b := out.Seal(nil, recordApplicationData, []byte("pong"))
			b[len(b)-1] ^= 1
			return b
		},
		"the client's own record": func(c *Client, _ *Protection) []byte { return c.Seal([]byte("ping")) },
	} {
		t.Run(name, func(t *testing.T) {
			c, _, out := finishedPair(t, new(testServer), false, 1<<20)
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
	wire := append(record(recordChangeCipherSpec, []byte{1}), record(recordHandshake, make([]byte, 8+16+8))...)
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
	if step, err := c.Take(append(flight, record(recordAlert, []byte{2, 80})...)); err != nil || step != FlightComplete {
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
