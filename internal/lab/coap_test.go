package lab

import (
	"bytes"
	"testing"
)

func TestCoAPAnswers(t *testing.T) {
	plain, framed, mute := CoAP{}, CoAP{Framed: true}, CoAP{Mute: true}
	for name, test := range map[string]struct {
		coap      CoAP
		say, want []byte
	}{
		"a ping gets a reset of its id":         {plain, []byte{0x40, 0, 1, 2}, []byte{0x70, 0, 1, 2}},
		"a non-confirmable message gets none":   {plain, []byte{0x50, 0, 1, 2}, nil},
		"a request gets none":                   {plain, []byte{0x40, 1, 1, 2}, nil},
		"half a ping gets none":                 {plain, []byte{0x40, 0, 1}, nil},
		"a mute server says nothing":            {mute, []byte{0x40, 0, 1, 2}, nil},
		"a framed ping gets a pong":             {framed, []byte{0, codePing}, []byte{0, codePong}},
		"a pong carries the ping's token":       {framed, []byte{2, codePing, 7, 8}, []byte{2, codePong, 7, 8}},
		"a ping after a CSM with an option":     {framed, []byte{0x20, codeCSM, 0x21, 9, 0, codePing}, []byte{0, codePong}},
		"a message longer than its record":      {framed, []byte{0x40, codePing}, nil},
		"plain bytes to a framed server get no": {framed, []byte{0x40, 0, 1, 2}, nil},
	} {
		if got := test.coap.answer(test.say); !bytes.Equal(got, test.want) {
			t.Errorf("%s: % x, want % x", name, got, test.want)
		}
	}
}

func FuzzCoAPAnswers(f *testing.F) {
	f.Add([]byte{0x40, 0, 1, 2}, false)
	f.Add([]byte{0x20, codeCSM, 0x21, 9, 2, codePing, 7, 8}, true)
	f.Fuzz(func(t *testing.T, data []byte, framed bool) {
		if got := (CoAP{Framed: framed}).answer(data); len(got) > len(data) {
			t.Errorf("%d bytes answered by %d", len(data), len(got))
		}
	})
}

func FuzzClientHello(f *testing.F) {
	f.Add(deviceHello(f)[recordHeader+4:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if hello, err := parseClientHello(body, false); err == nil && len(hello.random) != 32 {
			t.Errorf("random of %d bytes", len(hello.random))
		}
	})
}
