package devicedtls

import (
	"bytes"
	"cmp"
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
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
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

// renumbered returns copies of datagrams whose records have the next numbers from first on, as a server numbers what
// it repeats.
func renumbered(first uint64, datagrams ...[]byte) [][]byte {
	var out [][]byte
	for _, d := range datagrams {
		d = bytes.Clone(d)
		for rest := d; len(rest) >= recordHeader; first++ {
			epoch := binary.BigEndian.Uint64(rest[3:]) &^ maxSequence
			binary.BigEndian.PutUint64(rest[3:], epoch|first)
			rest = rest[recordHeader+int(binary.BigEndian.Uint16(rest[11:])):]
		}
		out = append(out, d)
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

// accepted returns a client whose server has sent the ticket that it promised and ChangeCipherSpec.
func accepted(t testing.TB) *Client {
	t.Helper()
	c := finishing(t)
	for _, d := range [][]byte{ticketDatagram(6), changeDatagram()} {
		if _, err := c.Take(d); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// ticketDatagram returns a NewSessionTicket of n bytes after OpenSSL's flight, in one fragment.
func ticketDatagram(n int) []byte {
	return handshakeDatagram(70, fragment{messageType: devicetls.TypeNewSessionTicket, length: n, seq: 6, data: ticketOf(n)})
}

func changeDatagram() []byte {
	return append(appendHeader(nil, devicetls.RecordChangeCipherSpec, Version, 80, nil, 1), 1)
}

// sealed returns a record encrypted with the server's key.
func sealed(c *Client, kind uint8, number uint64, body []byte) []byte {
	number |= 1 << 48
	b := appendHeader(nil, kind, Version, number, nil, len(body)+c.answer.In.Overhead())
	return c.answer.In.SealNumbered(b, number, kind, Version, body)
}

func plain(kind uint8, body ...byte) []byte {
	return append(appendHeader(nil, kind, Version, 77, nil, len(body)), body...)
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

// TestDiscardFlight combines the halves of two flights, as with two servers behind one address and lost datagrams.
// Only the second failure means that the server lacks the key.
func TestDiscardFlight(t *testing.T) {
	openssl, gnutls := captured(t, "openssl"), captured(t, "gnutls")
	for name, half := range map[string][][]byte{
		"ServerHello of one, the rest of the other": slices.Concat(gnutls[1:2], renumbered(20, openssl[1:]...)),
		"ServerHello of one lost":                   slices.Concat(gnutls[3:], renumbered(20, openssl[1:4]...)),
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
	number := uint64(0)
	hvr := func(seq uint16, body ...byte) []byte {
		number++
		return handshakeDatagram(number, fragment{messageType: typeHelloVerifyRequest, length: len(body), seq: seq, data: body})
	}
	c := New([32]byte{})
	for name, d := range map[string][]byte{
		"fragmented: ignored":              handshakeDatagram(50, fragment{messageType: typeHelloVerifyRequest, length: 5, data: []byte{0xfe, 0xff, 2, 1}}),
		"no length: ignored":               hvr(0, 0xfe, 0xff),
		"shorter than its length: ignored": hvr(0, 0xfe, 0xff, 2, 1),
		"message number 1: ignored":        hvr(1, 0xfe, 0xff, 1, 1),
		"message number 7: ignored":        hvr(7, 0xfe, 0xff, 1, 1),
	} {
		if step, err := c.Take(d); step != Waiting || err != nil || c.CookieSeen() {
			t.Errorf("%s: step %d, error %v", name, step, err)
		}
	}
	for i := range uint16(2 * maxCookies) {
		want := Cookie
		if i >= maxCookies {
			want = Waiting
		}
		if step, err := c.Take(hvr(i, 0xfe, 0xff, 1, byte(i/2), 0xaa)); step != want || err != nil {
			t.Errorf("cookie %d: step %d, want %d, error %v", i, step, want, err)
		}
		if step, _ := c.Take(hvr(i, 0xfe, 0xff, 1, byte(i/2))); step != Waiting {
			t.Errorf("cookie %d repeated: step %d", i, step)
		}
		if hello := c.Send()[0]; want == Cookie && binary.BigEndian.Uint16(hello[recordHeader+4:]) != i+1 {
			t.Errorf("the hello after cookie %d has the message number % x", i, hello[recordHeader+4:recordHeader+6])
		}
	}
	c = New([32]byte{})
	if _, err := take(c, captured(t, "openssl")[:2]...); err != nil {
		t.Fatal(err)
	}
	if step, err := c.Take(hvr(1, 0xfe, 0xff, 1, 1)); step != Waiting || err != nil {
		t.Errorf("a cookie after the flight has begun: step %d, error %v", step, err)
	}
}

func TestTakeAlert(t *testing.T) {
	for name, test := range map[string]struct {
		client *Client
		alert  []byte
		want   int // description; -1: none
	}{
		"fatal":                {New([32]byte{}), plain(devicetls.RecordAlert, 2, 40), 40},
		"close_notify":         {New([32]byte{}), plain(devicetls.RecordAlert, 1, 0), 0},
		"a warning: ignored":   {New([32]byte{}), plain(devicetls.RecordAlert, 1, 90), -1},
		"of one byte: ignored": {New([32]byte{}), plain(devicetls.RecordAlert, 2), -1},
		"encrypted, before there are keys: ignored":     {New([32]byte{}), append(appendHeader(nil, devicetls.RecordAlert, Version, 1<<48, nil, 2), 2, 40), -1},
		"in the clear, after Finish":                    {finishing(t), plain(devicetls.RecordAlert, 2, 42), 42},
		"encrypted, before ChangeCipherSpec: ignored":   {finishing(t), nil, -1},
		"encrypted, after ChangeCipherSpec":             {accepted(t), nil, 48},
		"in the clear, after ChangeCipherSpec: ignored": {accepted(t), plain(devicetls.RecordAlert, 2, 40), -1},
		"in the clear, after the handshake: ignored": {
			func() *Client { c := accepted(t); c.state = established; return c }(), plain(devicetls.RecordAlert, 2, 40), -1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.alert == nil {
				test.alert = sealed(test.client, devicetls.RecordAlert, 0, []byte{2, 48})
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
	finished := fragment{messageType: devicetls.TypeFinished, length: 12, seq: 7, data: make([]byte, 12)}
	for name, test := range map[string]struct {
		datagram func(*Client) []byte
		want     error
	}{
		"a wrong Finished":      {func(c *Client) []byte { return sealed(c, devicetls.RecordHandshake, 0, finished.bytes()) }, devicetls.ErrNotVerified},
		"in the clear: ignored": {func(*Client) []byte { return handshakeDatagram(9, finished) }, nil},
		"record changed: not verified": {func(c *Client) []byte {
			b := sealed(c, devicetls.RecordHandshake, 0, finished.bytes())
			b[len(b)-1] ^= 1
			return b
		}, devicetls.ErrNotVerified},
		"record number changed: not verified": {func(c *Client) []byte {
			b := sealed(c, devicetls.RecordHandshake, 0, finished.bytes())
			b[10]++
			return b
		}, devicetls.ErrNotVerified},
		"too short to be encrypted: not verified": {func(*Client) []byte {
			return append(appendHeader(nil, devicetls.RecordHandshake, Version, 1<<48, nil, 15), make([]byte, 15)...)
		}, devicetls.ErrNotVerified},
		"of epoch 2: ignored": {func(*Client) []byte {
			return append(appendHeader(nil, devicetls.RecordHandshake, Version, 2<<48, nil, 24), make([]byte, 24)...)
		}, nil},
		"another message: malformed": {func(c *Client) []byte {
			return sealed(c, devicetls.RecordHandshake, 0, fragment{messageType: 11, length: 12, seq: 7, data: make([]byte, 12)}.bytes())
		}, devicetls.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			c := accepted(t)
			step, err := c.Take(test.datagram(c))
			if !errors.Is(err, test.want) || test.want == nil && err != nil || step >= Done {
				t.Errorf("step %d, error %v, want %v", step, err, test.want)
			}
		})
	}
}

// TestTakeBeforeChangeCipherSpec has what may come until ChangeCipherSpec takes effect: at once, or if the ticket was
// reassembled at the end of the datagram.
func TestTakeBeforeChangeCipherSpec(t *testing.T) {
	part := func(offset, n int) []byte {
		return handshakeDatagram(70+uint64(offset), fragment{messageType: devicetls.TypeNewSessionTicket, length: 30, seq: 6, offset: offset, data: ticketOf(30)[offset : offset+n]})
	}
	alert := func(c *Client) []byte { return sealed(c, devicetls.RecordAlert, 0, []byte{2, 48}) }
	for name, test := range map[string]struct {
		datagrams func(*Client) [][]byte
		want      error // [devicetls.ErrMalformed] stands for any malformed message
		alert     bool
	}{
		"alert behind a whole ticket and ChangeCipherSpec": {func(c *Client) [][]byte {
			return [][]byte{slices.Concat(ticketDatagram(30), changeDatagram(), alert(c))}
		}, nil, true},
		"alert behind a reassembled ticket and ChangeCipherSpec: ignored": {func(c *Client) [][]byte {
			return [][]byte{part(0, 20), slices.Concat(part(20, 10), changeDatagram(), alert(c))}
		}, nil, false},
		"alert in the datagram after them": {func(c *Client) [][]byte {
			return [][]byte{part(0, 20), slices.Concat(part(20, 10), changeDatagram()), alert(c)}
		}, nil, true},
		"alert in the clear behind ChangeCipherSpec that came before the ticket": {func(*Client) [][]byte {
			return [][]byte{changeDatagram(), plain(devicetls.RecordAlert, 2, 48)}
		}, nil, true},
		"Finished in the clear instead of ChangeCipherSpec": {func(*Client) [][]byte {
			return [][]byte{ticketDatagram(6), handshakeDatagram(71, fragment{messageType: devicetls.TypeFinished, length: 12, seq: 7, data: make([]byte, 12)})}
		}, devicetls.ErrMalformed, false},
		"Finished before ChangeCipherSpec: kept": {func(c *Client) [][]byte {
			wrong := sealed(c, devicetls.RecordHandshake, 0, fragment{messageType: devicetls.TypeFinished, length: 12, seq: 7, data: make([]byte, 12)}.bytes())
			return [][]byte{ticketDatagram(6), wrong, changeDatagram()}
		}, devicetls.ErrNotVerified, false},
		"more than MaxHandshake bytes of tickets": {func(*Client) [][]byte {
			var all []byte
			for seq := range uint16(5) {
				all = append(all, handshakeDatagram(100+uint64(seq), fragment{messageType: devicetls.TypeNewSessionTicket, length: 15000, seq: 6 + seq, data: ticketOf(15000)})...)
			}
			return [][]byte{all}
		}, devicetls.ErrTooLong, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := finishing(t)
			step, err := take(c, test.datagrams(c)...)
			var alert *devicetls.AlertError
			if errors.As(err, &alert) != test.alert || !test.alert && !errors.Is(err, test.want) || step >= Done {
				t.Errorf("step %d, error %v, want %v, alert %v", step, err, test.want, test.alert)
			}
		})
	}
}

// ticketOf returns the body of a NewSessionTicket of n bytes.
func ticketOf(n int) []byte {
	b := make([]byte, n)
	binary.BigEndian.PutUint16(b[4:], uint16(n-6))
	return b
}

func TestResend(t *testing.T) {
	c := finishing(t)
	flight := renumbered(100, captured(t, "openssl")...)
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

func TestReplayWindow(t *testing.T) {
	var w replayWindow
	for _, step := range []struct {
		number uint64
		fresh  bool
	}{{5, true}, {5, false}, {4, true}, {4, false}, {100, true}, {37, true}, {36, false}, {37, false}, {1000, true}, {936, false}, {937, true}, {maxSequence, true}, {0, false}} {
		if got := w.fresh(step.number); got != step.fresh {
			t.Errorf("record %d: fresh %v, want %v", step.number, got, step.fresh)
		}
		if step.fresh {
			w.add(step.number)
		}
	}
}

func TestTakeUnfit(t *testing.T) {
	for name, test := range map[string]struct {
		change func([][]byte) [][]byte
		want   []measurement.UnfitReason
	}{
		"bytes after the last record: unfit": {
			func(d [][]byte) [][]byte { d[2] = slices.Concat(d[2], []byte{1, 2, 3}); return d },
			[]measurement.UnfitReason{{Kind: measurement.UnfitTrailingBytes, N: 3}},
		},
		"an empty record before others: unfit": {
			func(d [][]byte) [][]byte {
				d[1] = slices.Concat(appendHeader(nil, devicetls.RecordApplicationData, Version, 60, nil, 0), d[1])
				return d
			},
			[]measurement.UnfitReason{{Kind: measurement.UnfitEmptyRecord}},
		},
		"an empty record in its own datagram: fit": {
			func(d [][]byte) [][]byte {
				return slices.Insert(d, 1, appendHeader(nil, devicetls.RecordApplicationData, Version, 60, nil, 0))
			}, nil,
		},
		"a datagram of other bytes: fit": {func(d [][]byte) [][]byte { return slices.Insert(d, 1, []byte{1, 2, 3}) }, nil},
		"two fragments in one record: unfit": {
			func(d [][]byte) [][]byte {
				r, rest, _ := parseRecord(d[1])
				f, _, _ := parseFragment(r.body)
				half := len(f.data) / 2
				first, second := f, f
				first.data, second.data, second.offset = f.data[:half], f.data[half:], half
				body := slices.Concat(first.bytes(), second.bytes())
				d[1] = slices.Concat(appendHeader(nil, devicetls.RecordHandshake, Version, 50, nil, len(body)), body, rest)
				return d
			},
			[]measurement.UnfitReason{{Kind: measurement.UnfitSplitFragments}},
		},
		"a message of 16 MiB announced: fit": {
			func(d [][]byte) [][]byte {
				return slices.Insert(d, 1, handshakeDatagram(60, fragment{messageType: 2, length: 1<<24 - 1, seq: 1, data: make([]byte, 3)}))
			}, nil,
		},
		"a record longer than 2^14 bytes: fit": {
			func(d [][]byte) [][]byte {
				return slices.Insert(d, 1, append(appendHeader(nil, devicetls.RecordHandshake, Version, 60, nil, devicetls.MaxPlaintext+1), make([]byte, devicetls.MaxPlaintext+1)...))
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := New([32]byte{})
			step, err := take(c, test.change(captured(t, "openssl"))...)
			if step != FlightComplete || err != nil || !slices.Equal(c.Flight().Unfit, test.want) {
				t.Errorf("step %d, error %v, unfit %+v, want %+v", step, err, c.Flight().Unfit, test.want)
			}
		})
	}
}

// TestConnectionID checks that every record after ChangeCipherSpec carries the server's connection id.
func TestConnectionID(t *testing.T) {
	c := withFlight(t)
	c.flight.ConnectionID = []byte{7, 8, 9}
	if err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	wire := slices.Concat(c.Send()...)
	header := recordHeader + 3
	at := bytes.LastIndex(wire, []byte{devicetls.RecordChangeCipherSpec, 0xfe, 0xfd}) + recordHeader + 1
	last := wire[at:]
	if last[0] != devicetls.RecordConnectionID || !bytes.Equal(last[11:14], []byte{7, 8, 9}) || int(binary.BigEndian.Uint16(last[14:])) != len(last)-header {
		t.Fatalf("the record after ChangeCipherSpec is % x", last)
	}
	finished := c.out[len(c.out)-1].message
	sealed := func(id ...byte) []byte {
		return c.answer.Out.SealConnectionID(nil, binary.BigEndian.Uint64(last[3:]), devicetls.RecordHandshake, Version, id, finished.appendWhole(nil))
	}
	if finished.Type != devicetls.TypeFinished || len(finished.Body) != 12 || !bytes.Equal(last[header:], sealed(7, 8, 9)) {
		t.Errorf("% x is not Finished under the connection id", last[header:])
	}
	if bytes.Equal(last[header:], sealed(7, 8, 8)) {
		t.Error("the connection id is not protected")
	}
	if (len(last)-header-8-8)%16 != 0 {
		t.Errorf("the content of %d bytes is not padded to 16", len(last)-header-8-8)
	}
}

func TestTakeMalformed(t *testing.T) {
	for name, d := range map[string][]byte{
		"a certificate before the hello": handshakeDatagram(0, fragment{messageType: 11}),
		"a ServerHello of 3 bytes":       handshakeDatagram(0, fragment{messageType: 2, length: 3, data: make([]byte, 3)}),
		"an alert of one byte":           plain(devicetls.RecordAlert, 2),
		"ChangeCipherSpec of 2":          plain(devicetls.RecordChangeCipherSpec, 2),
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
	s.mtu = cmp.Or(mtu, DefaultMTU)
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
				if _, err := s.Take(sealed(s.Client, devicetls.RecordApplicationData, 100+i, []byte{1})); err != nil {
					t.Fatal(err)
				}
			}
			if len(s.received) != maxReceived {
				t.Errorf("%d messages wait, want %d", len(s.received), maxReceived)
			}
			if step, err := s.Take(plain(devicetls.RecordApplicationData, 1, 2, 3)); step != Waiting || err != nil {
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
	if b := withFlight(t).Close(); !bytes.HasSuffix(b, []byte{1, 0}) || b[0] != devicetls.RecordAlert {
		t.Errorf("after the flight: % x", b)
	}
}
