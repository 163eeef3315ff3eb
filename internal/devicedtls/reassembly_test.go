package devicedtls

import (
	"bytes"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// pieces cuts a message into fragments of size bytes, each of which overlaps the next by overlap bytes.
func pieces(seq uint16, body []byte, size, overlap int) []fragment {
	var out []fragment
	for at := 0; at == 0 || at < len(body); at += size {
		out = append(out, fragment{
			messageType: 11, length: len(body), seq: seq, offset: at, data: body[at:min(at+size+overlap, len(body))],
		})
	}
	return out
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

func reversed(f []fragment) []fragment {
	out := slices.Clone(f)
	slices.Reverse(out)
	return out
}

func TestReassembler(t *testing.T) {
	long, short := counting(1234), counting(5)
	for name, test := range map[string]struct {
		fragments []fragment
		want      [][]byte
	}{
		"whole":                                 {pieces(0, long, 1234, 0), [][]byte{long}},
		"empty":                                 {pieces(0, nil, 100, 0), [][]byte{{}}},
		"of 100 bytes":                          {pieces(0, long, 100, 0), [][]byte{long}},
		"byte by byte":                          {pieces(0, long, 1, 0), [][]byte{long}},
		"in reverse":                            {reversed(pieces(0, long, 100, 0)), [][]byte{long}},
		"each twice":                            {append(pieces(0, long, 100, 0)[:12], pieces(0, long, 100, 0)...), [][]byte{long}},
		"overlapping":                           {reversed(pieces(0, long, 100, 30)), [][]byte{long}},
		"of different sizes":                    {append(pieces(0, long, 70, 0)[:9], pieces(0, long, 300, 0)[1:]...), [][]byte{long}},
		"two messages in order":                 {append(pieces(0, long, 100, 0), pieces(1, short, 100, 0)...), [][]byte{long, short}},
		"the second message first":              {append(pieces(1, short, 2, 0), pieces(0, long, 100, 0)...), [][]byte{long, short}},
		"one missing: no message":               {slices.Delete(pieces(0, long, 100, 0), 4, 5), nil},
		"the last missing: no message":          {pieces(0, long, 100, 0)[:12], nil},
		"the first message missing: no message": {pieces(1, long, 100, 0), nil},
		"one too far ahead: ignored":            {append(pieces(maxAhead, long, 2000, 0), pieces(0, short, 5, 0)...), [][]byte{short}},
		"one of an old message: ignored":        {append(pieces(0, short, 5, 0), pieces(0, long, 2000, 0)...), [][]byte{short}},
		"different length: ignored":             {append(pieces(0, long, 100, 0)[:1], append(pieces(0, short, 5, 0), pieces(0, long, 100, 0)...)...), [][]byte{long}},
		"different type: ignored":               {append(pieces(0, long, 100, 0)[:1], append([]fragment{{messageType: 12, length: 1234, data: long}}, pieces(0, long, 100, 0)[:12]...)...), nil},
		"different content: the first is kept":  {append(pieces(0, long, 1200, 0)[:1], append(pieces(0, make([]byte, 1234), 100, 0)[:12], pieces(0, long, 1200, 0)...)...), [][]byte{long}},
	} {
		t.Run(name, func(t *testing.T) {
			var r reassembler
			var got [][]byte
			for _, f := range test.fragments {
				parsed, rest, ok := parseFragment(f.bytes())
				if !ok || len(rest) > 0 {
					t.Fatalf("fragment %+v does not parse", f)
				}
				r.add(parsed)
				for m, ok := r.pop(); ok; m, ok = r.pop() {
					got = append(got, m.Body)
				}
			}
			if !slices.EqualFunc(got, test.want, bytes.Equal) {
				t.Errorf("%d messages %x, want %d", len(got), got, len(test.want))
			}
		})
	}
}

func TestParseFragmentMalformed(t *testing.T) {
	whole := fragment{messageType: 11, length: 5, data: counting(5)}.bytes()
	for name, b := range map[string][]byte{
		"nothing":             {},
		"half a header":       whole[:11],
		"cut short":           whole[:len(whole)-1],
		"past the end":        fragment{messageType: 11, length: 5, offset: 1, data: counting(5)}.bytes(),
		"longer than message": fragment{messageType: 11, length: 4, data: counting(5)}.bytes(),
	} {
		if f, _, ok := parseFragment(b); ok {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestReassemblerLimit(t *testing.T) {
	var r reassembler
	half := devicetls.MaxHandshake / 2
	for seq := range uint16(2) {
		r.add(fragment{messageType: 11, length: half, seq: seq, data: counting(10)})
	}
	r.add(fragment{messageType: 11, length: 1, seq: 2, data: []byte{0}})
	if r.partials[2] != nil || r.size != 2*half {
		t.Errorf("%d bytes are kept, want %d", r.size, 2*half)
	}
	r.add(fragment{messageType: 11, length: half, seq: 0, offset: 10, data: counting(half - 10)})
	if _, ok := r.pop(); !ok || r.size != half {
		t.Errorf("%d bytes are kept, want %d", r.size, half)
	}
	r.add(fragment{messageType: 11, length: 1<<24 - 1, seq: 3, data: []byte{0}})
	if r.size != half {
		t.Errorf("%d bytes are kept after a message of 16 MiB, want %d", r.size, half)
	}
}
