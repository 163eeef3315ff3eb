// Package resolvers runs real DNS resolvers on loopback for tests: Unbound, dnsmasq, BIND, PowerDNS Recursor and Knot
// Resolver, each with its own cache, its own port and the configuration under test, asking one scripted authoritative
// server for one zone. A server is stopped by its process handle when the test ends. A program that is missing fails
// the test.
package resolvers

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/miekg/dns"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// Product is a resolver's program.
type Product string

const (
	Unbound  Product = "unbound"
	Dnsmasq  Product = "dnsmasq"
	BIND     Product = "named"
	PowerDNS Product = "pdns_recursor"
	Knot     Product = "kresd"
)

// Config is one resolver under test.
type Config struct {
	Product Product
	// Zone is the zone that Authority serves, with the final dot. Questions for other names fail.
	Zone      string
	Authority netip.AddrPort
	// Settings are configuration lines in the syntax of the product: for the server clause of Unbound, the
	// configuration file of dnsmasq, the options block of BIND, or the configuration file of PowerDNS Recursor or Knot
	// Resolver.
	Settings string
}

// Configurations returns the configurations of docs/dns-staleness-products.md that the installed programs support, by
// name. Their times are scaled for a zone with a TTL of 2 s.
func Configurations() map[string]Config {
	return map[string]Config{
		"unbound default":                              {Product: Unbound},
		"unbound cache-min-ttl":                        {Product: Unbound, Settings: "cache-min-ttl: 8\n"},
		"unbound serve-expired":                        {Product: Unbound, Settings: "serve-expired: yes\nserve-expired-reply-ttl: 1\n"},
		"unbound serve-expired with EDE":               {Product: Unbound, Settings: "serve-expired: yes\nserve-expired-reply-ttl: 1\nede: yes\nede-serve-expired: yes\n"},
		"unbound serve-expired-client-timeout":         {Product: Unbound, Settings: "serve-expired: yes\nserve-expired-client-timeout: 1800\n"},
		"unbound serve-original-ttl":                   {Product: Unbound, Settings: "serve-original-ttl: yes\n"},
		"dnsmasq default":                              {Product: Dnsmasq},
		"dnsmasq min-cache-ttl":                        {Product: Dnsmasq, Settings: "min-cache-ttl=8\n"},
		"dnsmasq min-cache-ttl max-ttl":                {Product: Dnsmasq, Settings: "min-cache-ttl=20\nmax-ttl=2\n"},
		"dnsmasq use-stale-cache":                      {Product: Dnsmasq, Settings: "use-stale-cache\n"},
		"bind default":                                 {Product: BIND},
		"bind min-cache-ttl":                           {Product: BIND, Settings: "min-cache-ttl 8;\n"},
		"bind stale-answer-client-timeout 0":           {Product: BIND, Settings: "stale-cache-enable yes;\nstale-answer-enable yes;\nstale-answer-client-timeout 0;\nstale-answer-ttl 1;\n"},
		"powerdns default":                             {Product: PowerDNS},
		"powerdns minimum-ttl-override":                {Product: PowerDNS, Settings: "minimum-ttl-override=8\n"},
		"powerdns serve-stale-extensions":              {Product: PowerDNS, Settings: "serve-stale-extensions=1440\n"},
		"powerdns packet cache off, otherwise default": {Product: PowerDNS, Settings: "disable-packetcache=yes\n"},
	}
}

// startTimeout bounds the time until the first answer of a program.
const startTimeout = time.Minute

// startTries is how often a program is started before the test fails.
const startTries = 3

// Start runs the resolver and waits until it answers. It is stopped when the test ends.
func Start(tb testing.TB, c Config) netip.AddrPort {
	tb.Helper()
	binary, err := exec.LookPath(string(c.Product))
	if err != nil {
		// Debian's default PATH of users does not contain servers.
		if binary, err = exec.LookPath("/usr/sbin/" + string(c.Product)); err != nil {
			tb.Fatalf("the resolver %s is not installed: %v", c.Product, err)
		}
	}
	for try := 1; ; try++ {
		at, err := c.run(tb, binary)
		if err == nil {
			return at
		}
		if try == startTries { // else another program may have taken the port in the meantime
			tb.Fatalf("%s does not answer: %v", c.Product, err)
		}
	}
}

// run starts the program once.
func (c Config) run(tb testing.TB, binary string) (netip.AddrPort, error) {
	tb.Helper()
	dir, at := tb.TempDir(), program.FreePort(tb)
	if err := c.write(dir, at); err != nil {
		tb.Fatalf("configure %s: %v", c.Product, err)
	}
	command := exec.CommandContext(context.Background(), binary, commands[c.Product].args...) // ended by a signal that lets it clean up
	command.Dir = dir
	return at, awaitAnswer(at, program.Run(tb, command))
}

//go:embed configurations
var files embed.FS

// templates are configuration files with the fields of Config, At, Domain and Directory.
var templates = template.Must(template.ParseFS(files, "configurations/*"))

// commands are the configuration file and the arguments of each program. It runs in the directory of the file.
var commands = map[Product]struct {
	file string
	args []string
}{
	Unbound:  {"unbound.conf", []string{"-d", "-p", "-c", "unbound.conf"}},
	Dnsmasq:  {"dnsmasq.conf", []string{"--keep-in-foreground", "--log-facility=-", "--user=", "--group=", "--pid-file=", "--conf-file=dnsmasq.conf"}},
	BIND:     {"named.conf", []string{"-g", "-n", "1", "-c", "named.conf"}},
	PowerDNS: {"recursor.conf", []string{"--config-dir=."}},
	Knot:     {"kresd.conf", []string{"--noninteractive", "--config=kresd.conf", "."}},
}

// write writes the configuration file of a resolver at an address.
func (c Config) write(directory string, at netip.AddrPort) error {
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, commands[c.Product].file, struct {
		Config
		At                netip.AddrPort
		Domain, Directory string
	}{c, at, strings.TrimSuffix(c.Zone, "."), directory}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, commands[c.Product].file), text.Bytes(), 0o600)
}

// awaitAnswer asks for a name outside the zone, so that nothing under test is cached, until an answer arrives.
func awaitAnswer(at netip.AddrPort, p *program.Process) error {
	q := new(dns.Msg)
	q.SetQuestion("started.invalid.", dns.TypeA)
	q.RecursionDesired = false
	client := dns.Client{Timeout: 100 * time.Millisecond}
	var last error
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		if _, _, last = client.Exchange(q, at.String()); last == nil {
			return nil
		}
		select {
		case <-p.Ended:
			return fmt.Errorf("it ended: %w", cmp.Or(p.Err, errors.New("without an error")))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return last
}
