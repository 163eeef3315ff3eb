package coap

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// peer is a server on the other side of a Conn: answer says what comes back after the n-th write, each after a delay.
type peer struct {
	answer   func(n int, written []byte) []late
	writes   int
	wrote    [][]byte
	at       []time.Time
	queue    []arrival
	deadline time.Time
	end      error // given when the queue is empty, instead of waiting
}

type late struct {
	after time.Duration
	data  []byte
}

type arrival struct {
	at   time.Time
	data []byte
}

func (p *peer) Write(b []byte) (int, error) {
	p.writes++
	p.wrote = append(p.wrote, bytes.Clone(b))
	p.at = append(p.at, time.Now())
	for _, l := range p.answer(p.writes, b) {
		p.queue = append(p.queue, arrival{time.Now().Add(l.after), l.data})
	}
	slices.SortStableFunc(p.queue, func(a, b arrival) int { return a.at.Compare(b.at) })
	return len(b), nil
}

func (p *peer) Read(b []byte) (int, error) {
	if len(p.queue) == 0 && p.end != nil {
		return 0, p.end
	}
	if len(p.queue) == 0 || p.queue[0].at.After(p.deadline) {
		<-time.After(time.Until(p.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	next := p.queue[0]
	p.queue = p.queue[1:]
	<-time.After(time.Until(next.at))
	return copy(b, next.data), nil
}

func (p *peer) SetReadDeadline(t time.Time) error { p.deadline = t; return nil }

func at(after time.Duration, data ...byte) late { return late{after, data} }

// reset answers a ping as RFC 7252 demands.
func reset(ping []byte) []byte { return []byte{0x70, 0, ping[2], ping[3]} }

func TestEmptyAndReset(t *testing.T) {
	if got := hex.EncodeToString(Empty(0xabcd)); got != "4000abcd" {
		t.Errorf("Empty = %s, want 4000abcd", got)
	}
	if got := hex.EncodeToString(Reset(0xabcd)); got != "7000abcd" {
		t.Errorf("Reset = %s, want 7000abcd", got)
	}
}

func TestIsReset(t *testing.T) {
	for name, tc := range map[string]struct {
		message string
		want    bool
	}{
		"reset with our id":          {"70001234", true},
		"reset with another id":      {"70001235", false},
		"acknowledgement":            {"60001234", false},
		"the ping itself":            {"40001234", false},
		"reset with a token":         {"71001234aa", false},
		"reset with a trailing byte": {"7000123400", false},
		"reset with a code":          {"70451234", false},
		"another version":            {"b0001234", false},
		"three bytes":                {"700012", false},
		"nothing":                    {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(tc.message)
			if err != nil {
				t.Fatal(err)
			}
			if got := IsReset(b, 0x1234); got != tc.want {
				t.Errorf("IsReset(%s) = %v, want %v", tc.message, got, tc.want)
			}
		})
	}
}

func TestPing(t *testing.T) {
	gone := errors.New("connection reset")
	flood := func(int, []byte) []late { return slices.Repeat([]late{at(0, 0x40, 1, 0, 1)}, 10*maxMessages) }
	for name, tc := range map[string]struct {
		pinger  Pinger
		answer  func(n int, written []byte) []late
		end     error
		want    error
		took    time.Duration
		writes  int
		patient time.Duration
	}{
		"answered at once: pong": {
			answer: func(_ int, b []byte) []late { return []late{{30 * time.Millisecond, reset(b)}} },
			took:   30 * time.Millisecond, writes: 1,
		},
		"a request of the server, a reset with another id and an acknowledgement come first": {
			answer: func(_ int, b []byte) []late {
				return []late{
					at(1*time.Millisecond, 0x40, 1, 9, 9, 0xb1, 'x'), at(2*time.Millisecond, 0x70, 0, b[2], b[3]+1),
					at(3*time.Millisecond, 0x60, 0, b[2], b[3]), at(4 * time.Millisecond), {50 * time.Millisecond, reset(b)},
				}
			},
			took: 50 * time.Millisecond, writes: 1,
		},
		"silence over TLS: sent once, no pong": {
			answer: func(int, []byte) []late { return nil }, want: ErrNoPong, writes: 1, patient: time.Hour,
		},
		"first two lost over UDP: third answered": {
			pinger: Pinger{Unreliable: true},
			answer: func(n int, b []byte) []late {
				if n < 3 {
					return nil
				}
				return []late{{0, reset(b)}}
			},
			writes: 3, patient: time.Hour,
		},
		"silence over UDP: sent five times, no pong": {
			pinger: Pinger{Unreliable: true},
			answer: func(int, []byte) []late { return nil }, want: ErrNoPong, writes: 5, patient: time.Hour,
		},
		"deadline before the second retransmission: no pong": {
			pinger: Pinger{Unreliable: true},
			answer: func(int, []byte) []late { return nil }, want: ErrNoPong, writes: 2, patient: 5 * time.Second,
		},
		"late answer to the first message: pong": {
			pinger: Pinger{Unreliable: true},
			answer: func(n int, b []byte) []late {
				if n > 1 {
					return nil
				}
				return []late{{4 * time.Second, reset(b)}}
			},
			took: 4 * time.Second, writes: 2, patient: time.Minute,
		},
		"flood of other messages: no pong": {answer: flood, want: ErrNoPong, writes: 1},
		"connection reset: its error":      {answer: func(int, []byte) []late { return nil }, end: gone, want: gone, writes: 1},
		"settings of RFC 8323 in answer to a ping of RFC 7252: other framing": {
			answer: func(int, []byte) []late { return []late{at(time.Millisecond, 0x30, 0xe1, 0x22, 0x04, 0x80)} }, want: ErrOtherFraming, writes: 1,
		},
		"RFC 8323 settings then pong": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(_ int, b []byte) []late {
				return []late{at(time.Millisecond, 0x00, 0xe1), {20 * time.Millisecond, append([]byte{0x02, 0xe3}, b[4:]...)}}
			},
			took: 20 * time.Millisecond, writes: 1,
		},
		"RFC 8323 in single bytes": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(_ int, b []byte) (out []late) {
				for i, c := range append([]byte{0x30, 0xe1, 0x22, 0x04, 0x80, 0x02, 0xe3}, b[4:]...) {
					out = append(out, at(time.Duration(i)*time.Millisecond, c))
				}
				return out
			},
			took: 8 * time.Millisecond, writes: 1,
		},
		"RFC 8323 server pings us first": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(n int, b []byte) []late {
				if n == 1 {
					return []late{{0, []byte{0x00, 0xe1, 0x01, 0xe2, 0x77}}, {9 * time.Millisecond, append([]byte{0x02, 0xe3}, b[4:]...)}}
				}
				if !bytes.Equal(b, []byte{0x01, 0xe3, 0x77}) {
					t.Errorf("the server's ping was answered with %x", b)
				}
				return nil
			},
			took: 9 * time.Millisecond, writes: 2,
		},
		"RFC 8323 pong with another token": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(_ int, b []byte) []late { return []late{at(0, 0x02, 0xe3, b[4], b[5]+1)} },
			want:   ErrNoPong, writes: 1,
		},
		"RFC 8323 pong without the token, as of libcoap": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(int, []byte) []late { return []late{at(time.Millisecond, 0x10, 0xe3, 0x20)} },
			took:   time.Millisecond, writes: 1,
		},
		"RFC 8323 aborted": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(int, []byte) []late { return []late{at(0, 0x00, 0xe5)} }, want: ErrReleased, writes: 1,
		},
		"RFC 8323 reserved token length": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(int, []byte) []late { return []late{at(0, 0x0f, 0xe3)} }, want: ErrMalformed, writes: 1,
		},
		"RFC 8323 four gigabytes announced": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(int, []byte) []late { return []late{at(0, 0xf0, 0xff, 0xff, 0, 0, 0x45)} }, want: ErrMalformed, writes: 1,
		},
		"RFC 8323 flood": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(int, []byte) []late { return slices.Repeat([]late{at(0, 0x00, 0xe1)}, 10*maxMessages) }, want: ErrNoPong, writes: 1,
		},
		"RFC 8323 flood of empty records": {
			pinger: Pinger{Framing: measurement.RFC8323},
			answer: func(int, []byte) []late { return slices.Repeat([]late{at(0)}, 10*maxMessages) }, want: ErrNoPong, writes: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tc.patient == 0 {
					tc.patient = 2 * time.Second
				}
				p := &peer{answer: tc.answer, end: tc.end}
				started := time.Now()
				deadline := started.Add(tc.patient)
				sent, err := tc.pinger.Ping(p, deadline)
				took := time.Since(started)
				if !errors.Is(err, tc.want) {
					t.Fatalf("Ping: %v, want %v", err, tc.want)
				}
				if p.writes != tc.writes || sent > p.writes {
					t.Errorf("wrote %d messages and counted %d, want %d", p.writes, sent, tc.writes)
				}
				if tc.took != 0 && took != tc.took {
					t.Errorf("took %v, want %v", took, tc.took)
				}
				if time.Now().After(deadline) {
					t.Errorf("returned %v after the deadline", time.Since(deadline))
				}
			})
		})
	}
}

// The first repetition comes 2 to 3 s after the message and each pause is twice the one before (RFC 7252 §4.2), always
// with the same message id.
func TestPingRetransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{answer: func(int, []byte) []late { return nil }}
		if _, err := (Pinger{Unreliable: true}).Ping(p, time.Now().Add(time.Hour)); !errors.Is(err, ErrNoPong) {
			t.Fatal(err)
		}
		first := p.at[1].Sub(p.at[0])
		if first < ackTimeout || first > ackTimeout*3/2 {
			t.Errorf("first repetition after %v, want 2 to 3 s", first)
		}
		for i := 2; i < len(p.at); i++ {
			if got, want := p.at[i].Sub(p.at[i-1]), first<<(i-1); got != want {
				t.Errorf("pause %d is %v, want %v", i, got, want)
			}
			if !bytes.Equal(p.wrote[i], p.wrote[0]) {
				t.Errorf("repetition %d is %x, want %x", i, p.wrote[i], p.wrote[0])
			}
		}
	})
}

func FuzzIsReset(f *testing.F) {
	f.Add([]byte{0x70, 0, 0x12, 0x34}, uint16(0x1234))
	f.Add([]byte{0x4f, 0, 0x12, 0x34, 0xff}, uint16(0x1234))
	f.Add([]byte{0x40, 1, 0, 0, 0xdd, 0xff, 0xff, 0xff}, uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, id uint16) {
		want := len(b) == 4 && b[0] == 0x70 && b[1] == 0 && binary.BigEndian.Uint16(b[2:]) == id
		if got := IsReset(b, id); got != want {
			t.Errorf("IsReset(%x, %#x) = %v", b, id, got)
		}
	})
}

// FuzzStream gives hostile bytes, cut into records, as answer to an RFC 8323 ping: it must end without a pong, unless
// the bytes hold one: our token, or the code of a pong without any.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0x00, 0xe1, 0x02, 0xe3, 1, 2}, 3)
	f.Add([]byte{0xd0, 0xff, 0x45}, 1)
	f.Add([]byte{0xf0, 0xff, 0xff, 0xff, 0xff, 0x45}, 9)
	f.Add(bytes.Repeat([]byte{0x00, 0xe2}, 100), 7)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		if step < 1 || step > 1<<12 {
			step = 1
		}
		p := &peer{end: io.EOF, answer: func(n int, _ []byte) (out []late) {
			if n > 1 {
				return nil
			}
			for chunk := range slices.Chunk(b, step) {
				out = append(out, late{0, chunk})
			}
			return out
		}}
		_, err := Pinger{Framing: measurement.RFC8323}.Ping(p, time.Now().Add(time.Hour))
		if err == nil && !bytes.Contains(b, p.wrote[0][4:]) && bytes.IndexByte(b, 0xe3) < 0 {
			t.Errorf("%x was taken for a pong to %x", b, p.wrote[0])
		}
	})
}
