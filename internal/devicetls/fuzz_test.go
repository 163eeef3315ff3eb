package devicetls

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
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

func TestFlightsOfRealServersAreProvedAndFit(t *testing.T) {
	for _, name := range []string{"openssl", "gnutls"} {
		c := New([32]byte{})
		step, err := c.Take(captured(t, name))
		f := c.Flight()
		if err != nil || step != FlightWhole || !f.KeyProved || !f.CertificateRequested || !f.ExtendedMasterSecret || len(f.Unfit) > 0 {
			t.Errorf("%s: step %d, error %v, flight %+v", name, step, err, f)
		}
	}
	var alert *AlertError
	if _, err := New([32]byte{}).Take(captured(t, "openssl-refuses")); !errors.As(err, &alert) || alert.Description != 40 {
		t.Errorf("a refusal: %v, want the alert handshake_failure", err)
	}
}

func TestAFlightReadsTheSameHoweverItIsCut(t *testing.T) {
	for _, name := range []string{"openssl", "gnutls", "openssl-refuses"} {
		whole := captured(t, name)
		for size := 1; size <= len(whole); size++ {
			sameHowever(t, whole, size)
		}
	}
}

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
	if !reflect.DeepEqual(one.Flight().Evidence(), cut.Flight().Evidence()) {
		t.Fatalf("whole: %+v; in pieces of %d: %+v", one.Flight(), size, cut.Flight())
	}
}

// FuzzFlight holds the reader to its promises on any bytes: it does not panic, keeps no more than it may, fails only in
// the ways it says, and reads the same however the bytes are cut.
func FuzzFlight(f *testing.F) {
	for _, name := range []string{"openssl", "gnutls", "openssl-refuses"} {
		f.Add(captured(f, name), 7)
	}
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\n\r\n"), 1)
	f.Add([]byte("SSH-2.0-x"), 3)
	f.Add(record(recordHandshake, []byte{typeCertificate, 0xff, 0xff, 0xff}), 2)
	f.Add(record(recordAlert, []byte{1, 0}), 2)
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
			t.Errorf("an error of no announced kind: %v", err)
		}
		if len(c.messages) > MaxHandshake {
			t.Errorf("%d bytes of messages are kept", len(c.messages))
		}
		if flight := c.Flight(); flight.KeyProved && !flight.SignatureChecked {
			t.Error("a key is proved by a signature that was not checked")
		}
	})
}

// FuzzSession gives any bytes to a client that waits for the server's Finished.
func FuzzSession(f *testing.F) {
	flight := captured(f, "openssl")
	f.Add(record(recordChangeCipherSpec, []byte{1}), 1)
	f.Add(record(recordAlert, []byte{2, 42}), 7)
	f.Add(record(recordHandshake, []byte{typeNewSessionTicket, 0, 0, 0}), 3)
	f.Add(append(record(recordChangeCipherSpec, []byte{1}), record(recordHandshake, make([]byte, 32))...), 40)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if size < 1 || size > 1<<14 {
			size = 1
		}
		c := New([32]byte{})
		if _, err := c.Take(flight); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Finish(nil); err != nil {
			t.Fatal(err)
		}
		step, err := takeInPieces(c, b, size)
		var alert *AlertError
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNotVerified) && !errors.As(err, &alert) {
			t.Errorf("an error of no announced kind: %v", err)
		}
		if step != Waiting {
			t.Error("a session was finished without its keys")
		}
	})
}

func BenchmarkFlight(b *testing.B) {
	flight := captured(b, "openssl")
	b.ReportAllocs()
	for b.Loop() {
		if step, err := New([32]byte{}).Take(flight); err != nil || step != FlightWhole {
			b.Fatal(step, err)
		}
	}
}
