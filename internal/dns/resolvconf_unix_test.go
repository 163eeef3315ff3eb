//go:build unix

package dns

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestSystemResolvers(t *testing.T) {
	for _, test := range []struct {
		name     string
		system   string // content of /etc/resolv.conf; "-": it does not exist
		upstream string // of the file of systemd-resolved; "-": it does not exist
		want     string
	}{
		{"the stub only: its upstreams", "nameserver 127.0.0.53\noptions edns0 trust-ad\n", "nameserver 192.168.7.1\nnameserver 2001:db8::53\n", "[192.168.7.1:53 [2001:db8::53]:53]"},
		{"the stub only, no upstreams listed: the stub", "nameserver 127.0.0.53\n", "# none\n", "[127.0.0.53:53]"},
		{"the stub only, no file of systemd-resolved: the stub", "nameserver 127.0.0.53\n", "-", "[127.0.0.53:53]"},
		{"the stub and another resolver: as listed", "nameserver 127.0.0.53\nnameserver 192.168.7.2\n", "nameserver 192.168.7.1\n", "[127.0.0.53:53 192.168.7.2:53]"},
		{"another resolver: as listed", "nameserver 192.168.7.2\n", "nameserver 192.168.7.1\n", "[192.168.7.2:53]"},
		{"another resolver on this machine: as listed", "nameserver 127.0.0.1\n", "nameserver 192.168.7.1\n", "[127.0.0.1:53]"},
		{"no file: none", "-", "nameserver 192.168.7.1\n", "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if text != "-" {
					if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				return path
			}
			got, err := systemResolvers(write("system", test.system), write("upstream", test.upstream))
			if fmt.Sprint(got) != test.want || err != nil {
				t.Errorf("%v, %v; want %s", got, err, test.want)
			}
		})
	}
}
