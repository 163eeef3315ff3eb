package devicetls

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

func TestHello(t *testing.T) {
	var random [32]byte
	for i := range random {
		random[i] = byte(0xa0 + i)
	}
	const want = "16 0303 0055 01 000051 0303" +
		"a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf 00" +
		"0004 c0ae 00ff 01 00 0024" +
		"000d 0006 0004 0403 0303  000a 0004 0002 0017  000b 0002 01 00  0016 0000  0017 0000  0023 0000"
	got := Hello(random)
	if hex.EncodeToString(got) != strings.ReplaceAll(want, " ", "") {
		t.Errorf("hello is\n%x, want\n%s", got, want)
	}
	if len(got) != HelloSize {
		t.Errorf("hello has %d bytes, want %d", len(got), HelloSize)
	}
	if got, want := ja3(t, got), "bb9e167c00e993d21c51959ed2aaaa36"; got != want {
		t.Errorf("JA3 %s, want %s", got, want)
	}
}

// ja3 returns the JA3 fingerprint of a hello: version, cipher suites, extensions, groups, point formats.
func ja3(t *testing.T, record []byte) string {
	t.Helper()
	s := cryptobyte.String(record)
	var version uint16
	var passed []byte
	var session, suites, compression, extensions cryptobyte.String
	if !s.ReadBytes(&passed, 5+4) || !s.ReadUint16(&version) || !s.ReadBytes(&passed, 32) || !s.ReadUint8LengthPrefixed(&session) ||
		!s.ReadUint16LengthPrefixed(&suites) || !s.ReadUint8LengthPrefixed(&compression) ||
		!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		t.Fatal("the hello does not parse")
	}
	list := func(b []byte) string {
		var out []string
		for ; len(b) >= 2; b = b[2:] {
			out = append(out, strconv.Itoa(int(binary.BigEndian.Uint16(b))))
		}
		return strings.Join(out, "-")
	}
	var ids []byte
	var groups, formats string
	for !extensions.Empty() {
		var id uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&data) {
			t.Fatal("an extension does not parse")
		}
		ids = binary.BigEndian.AppendUint16(ids, id)
		switch id {
		case 10:
			groups = list(data[2:])
		case 11:
			formats = strconv.Itoa(int(data[1]))
		}
	}
	sum := md5.Sum(fmt.Appendf(nil, "%d,%s,%s,%s,%s", version, list(suites), list(ids), groups, formats))
	return hex.EncodeToString(sum[:])
}

func TestAlertName(t *testing.T) {
	for code, want := range map[uint8]string{0: "close_notify (0)", 40: "handshake_failure (40)", 48: "unknown_ca (48)", 200: "200"} {
		if got := AlertName(code); got != want {
			t.Errorf("alert %d is %q, want %q", code, got, want)
		}
	}
}
