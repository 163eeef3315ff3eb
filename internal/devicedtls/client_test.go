package devicedtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// captured returns the datagrams of a real server in answer to a hello whose random is all zeros. In the file each is
// preceded by its length.
func captured(t testing.TB, name string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".datagrams"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for len(b) > 0 {
		n := 2 + int(binary.BigEndian.Uint16(b))
		out, b = append(out, b[2:n]), b[n:]
	}
	return out
}

// take gives the datagrams to the client and returns the greatest step and the first error.
func take(c *Client, datagrams ...[]byte) (step Step, err error) {
	for _, d := range datagrams {
		s, err := c.Take(d)
		if step = max(step, s); err != nil {
			return step, err
		}
	}
	return step, nil
}

// withFlight returns a client that has OpenSSL's flight.
func withFlight(t testing.TB) *Client {
	t.Helper()
	c := New([32]byte{})
	if step, err := take(c, captured(t, "openssl")...); step != FlightComplete || err != nil {
		t.Fatalf("step %d, error %v", step, err)
	}
	return c
}

// finishing returns a client that waits for the server's Finished.
func finishing(t testing.TB) *Client {
	t.Helper()
	c := withFlight(t)
	if err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// sealed returns a record encrypted with the server's key.
func sealed(c *Client, kind uint8, number uint64, body []byte) []byte {
	number |= 1 << 48
	b := appendHeader(nil, kind, Version, number, len(body)+c.answer.In.Overhead())
	return c.answer.In.SealNumbered(b, number, kind, Version, body)
}

func plain(kind uint8, body ...byte) []byte {
	return append(appendHeader(nil, kind, Version, 77, len(body)), body...)
}

func TestFlightOfRealServers(t *testing.T) {
	for _, name := range []string{"openssl", "gnutls"} {
		datagrams := captured(t, name)
		for how, flight := range map[string][][]byte{
			"in order":   datagrams[1:],
			"in reverse": func() [][]byte { b := slices.Clone(datagrams[1:]); slices.Reverse(b); return b }(),
			"each twice": slices.Concat(datagrams, datagrams)[1:],
			"in one":     {slices.Concat(datagrams[1:]...)},
			"among other datagrams": slices.Concat([][]byte{[]byte("HTTP/1.1 403 Forbidden\r\n\r\n"), {}, make([]byte, 200)},
				datagrams[1:]),
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				c := New([32]byte{})
				if step, err := c.Take(datagrams[0]); step != Cookie || err != nil || !c.CookieSeen() {
					t.Fatalf("cookie: step %d, error %v", step, err)
				}
				step, err := take(c, flight...)
				if f := c.Flight(); err != nil || step != FlightComplete || !f.Done || !f.KeyProved || !f.CertificateRequested || !f.ExtendedMasterSecret || len(f.Unfit) > 0 {
					t.Errorf("step %d, error %v, flight %+v", step, err, f)
				}
			})
		}
	}
}

// TestDiscardFlight combines the halves of two flights, as with two servers behind one address and lost datagrams. Only the
// second failure means that the server lacks the key.
func TestDiscardFlight(t *testing.T) {
	openssl, gnutls := captured(t, "openssl"), captured(t, "gnutls")
	for name, half := range map[string][][]byte{
		"ServerHello of one, the rest of the other": slices.Concat(gnutls[1:2], openssl[1:]),
		"ServerHello of one lost":                   slices.Concat(gnutls[3:], openssl[1:4]),
	} {
		t.Run(name, func(t *testing.T) {
			discarded := func() *Client {
				c := New([32]byte{})
				if _, err := c.Take(openssl[0]); err != nil {
					t.Fatal(err)
				}
				if step, err := take(c, half...); step != Resend || err != nil || !c.Flight().Done || c.Flight().KeyProved {
					t.Fatalf("step %d, error %v, flight %+v", step, err, c.Flight())
				}
				return c
			}
			c := discarded()
			if step, err := take(c, openssl[1:]...); step != FlightComplete || err != nil || !c.Flight().KeyProved {
				t.Errorf("the hello repeated: step %d, error %v, flight %+v", step, err, c.Flight())
			}
			if err := c.Finish(nil); err != nil {
				t.Error(err)
			}
			c = discarded()
			if step, err := take(c, half...); step != FlightComplete || err != nil || c.Flight().KeyProved || !c.Flight().SignatureChecked {
				t.Errorf("the same again: step %d, error %v, flight %+v", step, err, c.Flight())
			}
		})
	}
}

func TestFlightWithoutCookie(t *testing.T) {
	c := New([32]byte{})
	var step Step
	for _, d := range captured(t, "gnutls")[1:] {
		binary.BigEndian.PutUint16(d[recordHeader+4:], binary.BigEndian.Uint16(d[recordHeader+4:])-1) // numbers begin at 0
		s, err := c.Take(d)
		if err != nil {
			t.Fatal(err)
		}
		step = max(step, s)
	}
	if step != FlightComplete || !c.Flight().KeyProved || c.CookieSeen() {
		t.Errorf("step %d, flight %+v", step, c.Flight())
	}
}

func TestCookie(t *testing.T) {
	c := New([32]byte{})
	for name, d := range map[string][]byte{
		"cut short":   handshakeDatagram(0, fragment{messageType: typeHelloVerifyRequest, length: 5, data: []byte{0xfe, 0xff, 2, 1}}),
		"no length":   handshakeDatagram(0, fragment{messageType: typeHelloVerifyRequest, length: 2, data: []byte{0xfe, 0xff}}),
		"too long":    handshakeDatagram(0, fragment{messageType: typeHelloVerifyRequest, length: 5, data: []byte{0xfe, 0xff, 1, 1, 1}}),
		"a late one":  cookieDatagram(1, []byte{1}),
		"in no order": cookieDatagram(7, []byte{1}),
	} {
		if step, err := c.Take(d); step != Waiting || err != nil || c.CookieSeen() {
			t.Errorf("%s: step %d, error %v", name, step, err)
		}
	}
	for i := range byte(5) {
		want := Cookie
		if i >= maxCookies {
			want = Waiting
		}
		if step, err := c.Take(cookieDatagram(0, []byte{i})); step != want || err != nil {
			t.Errorf("cookie %d: step %d, want %d, error %v", i, step, want, err)
		}
		if step, _ := c.Take(cookieDatagram(0, []byte{i})); step != Waiting {
			t.Errorf("cookie %d repeated: step %d", i, step)
		}
	}
	c = New([32]byte{})
	if _, err := take(c, captured(t, "openssl")[:2]...); err != nil {
		t.Fatal(err)
	}
	if step, err := c.Take(cookieDatagram(0, []byte("another"))); step != Waiting || err != nil {
		t.Errorf("a cookie after the flight has begun: step %d, error %v", step, err)
	}
}

func TestTakeAlert(t *testing.T) {
	for name, test := range map[string]struct {
		client *Client
		alert  []byte
		want   int // description; -1: none
	}{
		"fatal":                {New([32]byte{}), plain(recordAlert, 2, 40), 40},
		"close_notify":         {New([32]byte{}), plain(recordAlert, 1, 0), 0},
		"a warning: ignored":   {New([32]byte{}), plain(recordAlert, 1, 90), -1},
		"of one byte: ignored": {New([32]byte{}), plain(recordAlert, 2), -1},
		"encrypted, before there are keys: ignored": {New([32]byte{}), append(appendHeader(nil, recordAlert, Version, 1<<48, 2), 2, 40), -1},
		"in the clear, after Finish":                {finishing(t), plain(recordAlert, 2, 42), 42},
		"encrypted, after Finish":                   {finishing(t), nil, 48},
		"in the clear, after the handshake: ignored": {
			func() *Client { c := finishing(t); c.state = established; return c }(), plain(recordAlert, 2, 40), -1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.alert == nil {
				test.alert = sealed(test.client, recordAlert, 0, []byte{2, 48})
			}
			_, err := test.client.Take(test.alert)
			var alert *devicetls.AlertError
			if errors.As(err, &alert) != (test.want >= 0) || alert != nil && int(alert.Description) != test.want {
				t.Errorf("error %v, want the alert %d", err, test.want)
			}
		})
	}
	var alert *devicetls.AlertError
	if _, err := take(New([32]byte{}), captured(t, "openssl-refuses")...); !errors.As(err, &alert) || err.Error() != "the server sent the alert handshake_failure (40)" {
		t.Errorf("OpenSSL's refusal: %v", err)
	}
}

func TestTakeFinished(t *testing.T) {
	finished := fragment{messageType: typeFinished, length: 12, seq: 6, data: make([]byte, 12)}
	for name, test := range map[string]struct {
		datagram func(*Client) []byte
		want     error
	}{
		"a wrong Finished":      {func(c *Client) []byte { return sealed(c, recordHandshake, 0, finished.bytes()) }, devicetls.ErrNotVerified},
		"in the clear: ignored": {func(*Client) []byte { return handshakeDatagram(9, finished) }, nil},
		"record changed: ignored": {func(c *Client) []byte {
			b := sealed(c, recordHandshake, 0, finished.bytes())
			b[len(b)-1] ^= 1
			return b
		}, nil},
		"record number changed: ignored": {func(c *Client) []byte {
			b := sealed(c, recordHandshake, 0, finished.bytes())
			b[10]++
			return b
		}, nil},
		"too short to be encrypted: ignored": {func(*Client) []byte {
			return append(appendHeader(nil, recordHandshake, Version, 1<<48, 15), make([]byte, 15)...)
		}, nil},
		"more than MaxHandshake bytes of tickets": {func(c *Client) []byte {
			var all []byte
			for seq := range uint16(5) {
				all = append(all, handshakeDatagram(0, fragment{messageType: typeNewSessionTicket, length: 15000, seq: 6 + seq, data: make([]byte, 15000)})...)
			}
			return all
		}, devicetls.ErrTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			c := finishing(t)
			step, err := c.Take(test.datagram(c))
			if !errors.Is(err, test.want) || test.want == nil && err != nil || step >= Done {
				t.Errorf("step %d, error %v, want %v", step, err, test.want)
			}
		})
	}
}

func TestResend(t *testing.T) {
	c := finishing(t)
	flight := captured(t, "openssl")
	if step, err := c.Take(flight[1]); step != Waiting || err != nil {
		t.Errorf("its first datagram: step %d, error %v", step, err)
	}
	if step, err := c.Take(flight[len(flight)-1]); step != Resend || err != nil {
		t.Errorf("its last datagram: step %d, error %v", step, err)
	}
	first, second := c.Send(), c.Send()
	for i := range first {
		if bytes.Equal(first[i], second[i]) {
			t.Errorf("datagram %d is sent again under the same numbers", i)
		}
	}
}

func TestTakeMalformed(t *testing.T) {
	for name, d := range map[string][]byte{
		"a certificate before the hello": handshakeDatagram(0, fragment{messageType: 11}),
		"a ServerHello of 3 bytes":       handshakeDatagram(0, fragment{messageType: 2, length: 3, data: make([]byte, 3)}),
		"a message of 16 MiB":            handshakeDatagram(0, fragment{messageType: 2, length: 1<<24 - 1, data: make([]byte, 3)}),
	} {
		if _, err := New([32]byte{}).Take(d); !errors.Is(err, devicetls.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

func TestFinishNotReady(t *testing.T) {
	if err := New([32]byte{}).Finish(nil); !errors.Is(err, devicetls.ErrNotReady) {
		t.Errorf("without a flight: %v", err)
	}
	c := withFlight(t)
	c.flight.KeyProved = false
	if err := c.Finish(nil); !errors.Is(err, devicetls.ErrNotReady) {
		t.Errorf("without a proof: %v", err)
	}
}

// session is a client's side of a session with the lab's server, which is pion's implementation.
type session struct {
	*Client
	conn net.Conn
	buf  []byte
}

// until sends the flight and takes datagrams until the step.
func (s *session) until(t testing.TB, step Step) {
	t.Helper()
	send := func() {
		for _, d := range s.Send() {
			if _, err := s.conn.Write(d); err != nil {
				t.Fatal(err)
			}
		}
	}
	send()
	for {
		got := s.take(t)
		if got == Cookie {
			send()
		}
		if got >= step {
			return
		}
	}
}

func (s *session) take(t testing.TB) Step {
	t.Helper()
	n, err := s.conn.Read(s.buf)
	if err != nil {
		t.Fatal(err)
	}
	step, err := s.Take(s.buf[:n])
	if err != nil {
		t.Fatal(err)
	}
	return step
}

func openSession(t testing.TB, server *lab.DTLSServer, mtu int, certificate *tls.Certificate) *session {
	t.Helper()
	conn, err := net.Dial("udp", server.Address().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	s := &session{New([32]byte{1, 2, 3}), conn, make([]byte, MaxDatagram)}
	s.MTU = mtu
	s.until(t, FlightComplete)
	if err := s.Finish(certificate); err != nil {
		t.Fatal(err)
	}
	s.until(t, Done)
	return s
}

func serveDTLS(t testing.TB, mtu int) (*lab.DTLSServer, *tls.Certificate) {
	t.Helper()
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test"})
	if err != nil {
		t.Fatal(err)
	}
	clientCert, err := mint.Inspector.Issue(lab.Leaf{CommonName: "client"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := &lab.DTLSServer{Certificate: leaf, MTU: mtu}
	if err := server.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); server.Close() })
	return server, &clientCert
}

func TestHandshake(t *testing.T) {
	for _, mtu := range []int{0, 100} {
		t.Run(fmt.Sprintf("MTU %d", mtu), func(t *testing.T) {
			server, clientCert := serveDTLS(t, mtu)
			s := openSession(t, server, mtu, clientCert)
			if s.Flight().Cipher != devicetls.SuiteCCM8 || !s.Flight().KeyProved || !s.Flight().CertificateRequested {
				t.Errorf("flight %+v", s.Flight())
			}
			if _, err := s.conn.Write(s.Seal([]byte{0x40, 0, 1, 2})); err != nil {
				t.Fatal(err)
			}
			for s.take(t) != Data {
			}
			if got, ok := s.Received(); !ok || !bytes.Equal(got, []byte{0x70, 0, 1, 2}) {
				t.Errorf("received % x", got)
			}
			if _, ok := s.Received(); ok {
				t.Error("more was received than came")
			}
			for i := range uint64(2 * maxReceived) {
				if _, err := s.Take(sealed(s.Client, recordApplicationData, 100+i, []byte{1})); err != nil {
					t.Fatal(err)
				}
			}
			if len(s.received) != maxReceived {
				t.Errorf("%d messages wait, want %d", len(s.received), maxReceived)
			}
			if step, err := s.Take(plain(recordApplicationData, 1, 2, 3)); step != Waiting || err != nil {
				t.Errorf("data in the clear: step %d, error %v", step, err)
			}
		})
	}
}

func TestSendMTU(t *testing.T) {
	const mtu = 100
	server, clientCert := serveDTLS(t, 0)
	s := openSession(t, server, mtu, clientCert) // a completed handshake shows that the fragments are valid
	datagrams := s.Send()
	for i, d := range datagrams {
		if len(d) > mtu {
			t.Errorf("datagram %d has %d bytes", i, len(d))
		}
	}
	if len(datagrams) < 5 {
		t.Errorf("a certificate in %d datagrams of %d bytes", len(datagrams), mtu)
	}
}

func TestClose(t *testing.T) {
	if b := New([32]byte{}).Close(); b != nil {
		t.Errorf("before any answer: % x", b)
	}
	if b := withFlight(t).Close(); !bytes.HasSuffix(b, []byte{1, 0}) || b[0] != recordAlert {
		t.Errorf("after the flight: % x", b)
	}
}
