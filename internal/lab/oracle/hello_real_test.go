//go:build realpeers

package oracle

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicedtls"
	"github.com/endpoint-exporter/endpoint_exporter/internal/devicetls"
)

// TestHelloIsTheDevices compares the exporter's hellos with the device's, byte by byte, except the random.
func TestHelloIsTheDevices(t *testing.T) {
	program, err := build("client")
	if errors.Is(err, errNoDevice) {
		t.Log(err) // there is nothing to compare with
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.der")
	if err := os.WriteFile(ca, newMinter(time.Now()).root, 0o600); err != nil {
		t.Fatal(err)
	}
	datagram := func(random [32]byte, connectionID bool) []byte {
		body := devicedtls.Hello(random, nil, connectionID)
		message := frameDTLS(messageClientHello, 0, body)
		record := append([]byte{recordHandshake, 0xfe, 0xff}, make([]byte, 8)...)
		return append(binary.BigEndian.AppendUint16(record, uint16(len(message))), message...)
	}
	for name, test := range map[string]struct {
		args   []string
		random int // where it begins
		ours   func(random [32]byte) []byte
	}{
		"TLS":                       {nil, 11, devicetls.Hello},
		"DTLS":                      {[]string{"--udp"}, 27, func(random [32]byte) []byte { return datagram(random, false) }},
		"DTLS with a connection id": {[]string{"--udp", "--cid"}, 27, func(random [32]byte) []byte { return datagram(random, true) }},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(program, append(test.args, "--hello", "--ca", ca, "127.0.0.1", "1")...).Output()
			if err != nil {
				t.Fatal(err)
			}
			device, err := hex.DecodeString(strings.TrimSpace(string(out)))
			if err != nil || len(device) < test.random+32 {
				t.Fatalf("%q: %v", out, err)
			}
			if ours := test.ours([32]byte(device[test.random:])); string(ours) != string(device) {
				t.Errorf("the device sends\n% x, the exporter\n% x", device, ours)
			}
		})
	}
}
