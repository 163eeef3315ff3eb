package devicetls

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func captured(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".flight"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFlightOfRealServers(t *testing.T) {
	for _, name := range []string{"openssl", "gnutls"} {
		c := New([32]byte{})
		step, err := c.Take(captured(t, name))
		f := c.Flight()
		if err != nil || step != FlightComplete || !f.KeyProved || !f.CertificateRequested || !f.ExtendedMasterSecret || len(f.Unfit) > 0 {
			t.Errorf("%s: step %d, error %v, flight %+v", name, step, err, f)
		}
	}
	var alert *AlertError
	if _, err := New([32]byte{}).Take(captured(t, "openssl-refuses")); !errors.As(err, &alert) || alert.Description != 40 {
		t.Errorf("a refusal: %v, want the alert handshake_failure", err)
	}
}

func TestTakeInPieces(t *testing.T) {
	for _, name := range []string{"openssl", "gnutls", "openssl-refuses"} {
		whole := captured(t, name)
		for size := 1; size <= len(whole); size++ {
			sameHowever(t, whole, size)
		}
	}
}

// sameHowever checks that the result does not depend on how the bytes are cut.
func sameHowever(t *testing.T, b []byte, size int) {
	t.Helper()
	one, cut := New([32]byte{}), New([32]byte{})
	oneStep, oneErr := takeInPieces(one, b, max(1, len(b)))
	cutStep, cutErr := takeInPieces(cut, b, size)
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if oneStep != cutStep || text(oneErr) != text(cutErr) {
		t.Fatalf("whole: step %d, %v; in pieces of %d: step %d, %v", oneStep, oneErr, size, cutStep, cutErr)
	}
	if !reflect.DeepEqual(one.Flight().Seen(), cut.Flight().Seen()) {
		t.Fatalf("whole: %+v; in pieces of %d: %+v", one.Flight(), size, cut.Flight())
	}
}

// FuzzFlight checks for any bytes that the client does not panic, keeps at most MaxHandshake bytes, returns only
// documented errors, and gives the same result however the bytes are cut.
func FuzzFlight(f *testing.F) {
	for _, name := range []string{"openssl", "gnutls", "openssl-refuses"} {
		f.Add(captured(f, name), 7)
	}
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\n\r\n"), 1)
	f.Add([]byte("SSH-2.0-x"), 3)
	f.Add(record(RecordHandshake, []byte{TypeCertificate, 0xff, 0xff, 0xff}), 2)
	f.Add(record(RecordAlert, []byte{1, 0}), 2)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if size < 1 || size > 1<<14 {
			size = 1
		}
		sameHowever(t, b, size)
		c := New([32]byte{})
		_, err := takeInPieces(c, b, size)
		var alert *AlertError
		var other *NotTLSError
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.As(err, &alert) && !errors.As(err, &other) {
			t.Errorf("undocumented error: %v", err)
		}
		if len(c.messages) > MaxHandshake {
			t.Errorf("%d bytes of messages are kept", len(c.messages))
		}
		if flight := c.Flight(); flight.KeyProved && !flight.SignatureChecked {
			t.Error("the key is proved by a signature that was not checked")
		}
	})
}

// FuzzSession gives any bytes to a client that waits for the server's Finished. All inputs use copies of one client,
// because its ECDH key takes longer to generate than an input to run.
func FuzzSession(f *testing.F) {
	finished := New([32]byte{})
	if _, err := finished.Take(captured(f, "openssl")); err != nil {
		f.Fatal(err)
	}
	if _, err := finished.Finish(nil); err != nil {
		f.Fatal(err)
	}
	f.Add(record(RecordChangeCipherSpec, []byte{1}), 1)
	f.Add(record(RecordAlert, []byte{2, 42}), 7)
	f.Add(record(RecordHandshake, []byte{TypeNewSessionTicket, 0, 0, 0}), 3)
	f.Add(append(record(RecordChangeCipherSpec, []byte{1}), record(RecordHandshake, make([]byte, 32))...), 40)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if size < 1 || size > 1<<14 {
			size = 1
		}
		c := finished.clone()
		step, err := takeInPieces(c, b, size)
		var alert *AlertError
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotVerified) && !errors.As(err, &alert) {
			t.Errorf("undocumented error: %v", err)
		}
		if step != Waiting {
			t.Error("a session was finished without its keys")
		}
	})
}

// clone returns an independent copy of a client after Finish. The certificates and the AEADs, which never change, are
// shared.
func (c *Client) clone() *Client {
	out, flight, answer, in := *c, *c.flight, *c.answer, *c.answer.In
	answer.In, answer.transcript = &in, slices.Clone(answer.transcript)
	out.flight, out.answer = &flight, &answer
	out.buffered, out.messages = slices.Clone(c.buffered), slices.Clone(c.messages)
	return &out
}

func BenchmarkFlight(b *testing.B) {
	flight := captured(b, "openssl")
	b.ReportAllocs()
	for b.Loop() {
		if step, err := New([32]byte{}).Take(flight); err != nil || step != FlightComplete {
			b.Fatal(step, err)
		}
	}
}
