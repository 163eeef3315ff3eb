package devicedtls

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

func TestHello(t *testing.T) {
	var random [32]byte
	for i := range random {
		random[i] = byte(0xa0 + i)
	}
	const (
		first = "16 feff 0000 000000000000 0063 01 000057 0000 000000 000057"
		again = "16 feff 0000 000000000001 0066 01 00005a 0001 000000 00005a"
		body  = "fefd a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf 00"
		offer = "0004 c0ae 00ff 01 00 0029" +
			"000d 0006 0004 0403 0303  000a 0004 0002 0017  000b 0002 01 00  00fe 0001 00  0016 0000  0017 0000  0023 0000"
	)
	c := New(random)
	is := func(name, want string) {
		t.Helper()
		got := c.Send()
		if len(got) != 1 || hex.EncodeToString(got[0]) != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s is\n%x, want\n%s", name, got, want)
		}
	}
	is("the hello", first+body+"00"+offer)
	if step, err := c.Take(cookieDatagram(0, []byte{7, 8, 9})); step != Cookie || err != nil {
		t.Fatalf("step %d, error %v", step, err)
	}
	is("the hello with its cookie", again+body+"03 070809"+offer)

	over := devicetls.Hello(random)
	if wire := New(random).Send()[0]; len(wire) != 112 {
		t.Errorf("%d bytes, want 112", len(wire))
	}
	if wire := NewWithoutID(random).Send()[0]; len(wire) != 107 || !bytes.Equal(wire[len(wire)-44:], over[len(over)-44:]) {
		t.Errorf("without connection id %d bytes, want 107 with the offer of the hello over TCP", len(wire))
	}
}

// handshakeDatagram returns a record in the clear with one fragment.
func handshakeDatagram(number uint64, f fragment) []byte {
	return append(appendHeader(nil, devicetls.RecordHandshake, Version, number, nil, messageHeader+len(f.data)), f.bytes()...)
}

// bytes returns the fragment as it is in a record.
func (f fragment) bytes() []byte {
	u24 := func(n int) []byte { return []byte{byte(n >> 16), byte(n >> 8), byte(n)} }
	out := append([]byte{f.messageType}, u24(f.length)...)
	out = append(out, byte(f.seq>>8), byte(f.seq))
	out = append(out, u24(f.offset)...)
	return append(append(out, u24(len(f.data))...), f.data...)
}

func cookieDatagram(seq uint16, cookie []byte) []byte {
	body := append([]byte{0xfe, 0xff, byte(len(cookie))}, cookie...)
	return handshakeDatagram(0, fragment{messageType: typeHelloVerifyRequest, length: len(body), seq: seq, data: body})
}
