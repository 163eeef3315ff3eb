//go:build realpeers && linux

// Package names compares how the exporter resolves names with how devices do: the exporter and getaddrinfo of glibc and
// of musl ask the same DNS server, in a network namespace.
//
// Each row of the table is a host name with the bytes that the server answers. testdata/verdicts has what the two
// libraries of Debian 12 made of each row, so that the comparison runs on other systems too. testdata/differences lists
// the rows where the exporter differs by design, each with the reason.
package names

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/resolve"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

var update = flag.Bool("update", false, "write what the libraries find to testdata/verdicts")

// site is a network, by the addresses that the machine has in it.
type site struct {
	name          string
	commands      []string   // of ip(8)
	server, other netip.Addr // of the DNS server; answers may come from the other one
}

const (
	siteIPv4   = "IPv4"
	siteDual   = "IPv4 and IPv6"
	siteULA    = "IPv4 and unique local"
	siteOnLink = "IPv4 and unique local without a route"
	siteIPv6   = "IPv6"
)

var (
	server4, other4 = netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("10.0.0.54")
	server6, other6 = netip.MustParseAddr("2001:db8:1::53"), netip.MustParseAddr("2001:db8:1::54")

	ipv4 = []string{
		"addr add 10.0.0.53/32 dev lo", "addr add 10.0.0.54/32 dev lo",
		"addr add 10.0.0.2/24 dev d0", "route add default dev d0",
	}
	ipv6   = []string{"addr add 2001:db8:1::2/64 dev d0 nodad", "-6 route add default dev d0"}
	onLink = []string{"addr add fd00:1::2/64 dev d0 nodad"}

	sites = []site{
		{siteIPv4, ipv4, server4, other4},
		{siteDual, slices.Concat(ipv4, ipv6), server4, other4},
		{siteULA, slices.Concat(ipv4, onLink, []string{"-6 route add default dev d0"}), server4, other4},
		{siteOnLink, slices.Concat(ipv4, onLink), server4, other4},
		{siteIPv6, slices.Concat(ipv6, []string{"addr add 2001:db8:1::53/128 dev lo nodad", "addr add 2001:db8:1::54/128 dev lo nodad"}), server6, other6},
	}
)

// atOnce is the limit for a look-up that waited for nothing, or for one lost datagram as the exporter does (0.6 s). The
// next longer wait is the exporter's for two datagrams (1.8 s); the shortest wait of the libraries is 2.5 s.
const atOnce = 1500 * time.Millisecond

// timing tells whether a look-up waited.
func timing(took time.Duration) string {
	if took < atOnce {
		return "at once"
	}
	return "after a wait"
}

// libraries are the two builds of the client, in the order of scripts/getaddrinfo-clients.
var libraries = []string{"glibc", "musl"}

// clients returns the two builds; none on a system other than the one of testdata/verdicts.
func clients(t testing.TB) []string {
	t.Helper()
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(release), "VERSION_CODENAME=bookworm") {
		t.Log("this is not Debian 12: the recorded verdicts are used")
		return nil
	}
	command := exec.Command("../../../scripts/getaddrinfo-clients")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("scripts/getaddrinfo-clients: %v", err)
	}
	return strings.Fields(string(out))
}

// getaddrinfo runs one client and returns its verdict: an address or an error, and the timing.
func (n *namespace) getaddrinfo(ctx context.Context, client, host string) (string, error) {
	line, err := n.output(ctx, client, host)
	if err != nil {
		return "", err
	}
	fields := strings.Fields(line)
	took, err := strconv.Atoi(fields[0])
	if err != nil || len(fields) < 2 {
		return "", fmt.Errorf("%s %s: %q", client, host, line)
	}
	return fields[1] + " " + timing(time.Duration(took)*time.Millisecond), nil
}

// refusingWalker ends every walk at once: only the addresses matter.
type refusingWalker struct{}

func (refusingWalker) Walk(_ context.Context, t path.Target) measurement.Outcome {
	return measurement.Outcome{Address: t.Address, Transport: t.Transport, Client: t.Client, Started: time.Now(), Failure: measurement.Refused, FailedIn: measurement.Connect}
}

// load loads the configuration of a site; its only endpoint has a host of the table.
func (s *site) load(t testing.TB) *config.Loaded {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `catalogues: []
resolvers: [%q]
authority: {mode: "off"}
endpoints:
  - {service: cloud, host: coap.example, client: web, addresses: any, paths: [{transport: tcp, port: 443}]}
`, s.server), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// round makes one round of a host with a client that knows nothing of the server yet.
func (n *namespace) round(ctx context.Context, loaded *config.Loaded, host string) report.Host {
	cfg := *loaded.Config
	cfg.Endpoints = slices.Clone(cfg.Endpoints)
	cfg.Endpoints[0].Host = host
	s := survey.New(&survey.Site{
		Config: &cfg, Anchors: loaded, Routes: n, Walker: refusingWalker{},
		Names: resolve.New(resolve.Options{Config: &cfg, Resolvers: cfg.Resolvers, Dial: n.dial}),
	}, survey.Options{Name: "device", Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	return s.Run(ctx).Hosts[0]
}

// survey makes one round of a host. It returns the exporter's verdict: the address that it takes a device to connect to
// or the failure, and the timing.
func (n *namespace) survey(ctx context.Context, loaded *config.Loaded, host string) string {
	found := n.round(ctx, loaded, host)
	lookup := &found.Resolvers[0].Lookup
	verdict := string(lookup.Failure)
	if walks := found.Paths[0].Walks; len(walks) > 0 {
		verdict = walks[0].Outcome.Address.Addr().String()
	}
	return verdict + " " + timing(lookup.Took)
}

// agree reports whether two verdicts are the same as far as a device is concerned: errors have other names, and a
// mapped address is the IPv4 address in it.
func agree(library, exporter string) bool {
	address, wait, _ := strings.Cut(library, " ")
	address2, wait2, _ := strings.Cut(exporter, " ")
	addr, err := netip.ParseAddr(address)
	addr2, err2 := netip.ParseAddr(address2)
	if wait != wait2 || (err == nil) != (err2 == nil) {
		return false
	}
	return err != nil || addr.Unmap() == addr2.Unmap()
}

// TestMain lets many rows run at once: most of them wait.
func TestMain(m *testing.M) {
	labtest.SetParallel(128)
	os.Exit(m.Run())
}

// maxTries is how often a row runs whose verdict is not accepted: on a busy machine answers come late, and a question
// that is repeated takes the place of one in another form. A difference that is not due to that comes every time.
const maxTries = 3

// untilInTime repeats a measurement until its verdict is accepted.
func untilInTime(accepted func(verdict string) bool, measure func() (string, error)) (verdict string, err error) {
	for range maxTries {
		verdict, err = measure()
		if err != nil || accepted(verdict) {
			break
		}
	}
	return verdict, err
}

// oracle is what all rows share.
type oracle struct {
	programs              []string          // see clients
	recorded, differences map[string]string // by row and library

	mu       sync.Mutex
	verdicts map[string]string // of the libraries
	differs  map[string]bool   // rows and libraries where the exporter has another verdict
}

// try runs one row and compares the verdicts.
func (o *oracle) try(t *testing.T, n *namespace, loaded *config.Loaded, key, host string) {
	verdicts := make(map[string]string)
	for i, library := range libraries {
		row := key + "\t" + library
		verdict := o.recorded[row]
		if o.programs != nil {
			measured, err := untilInTime(func(measured string) bool { return measured == verdict }, func() (string, error) {
				return n.getaddrinfo(t.Context(), o.programs[i], host)
			})
			if err != nil {
				t.Fatal(err)
			}
			if measured != verdict && !*update {
				t.Errorf("%s: %s, recorded is %q", library, measured, verdict)
			}
			verdict = measured
		}
		verdicts[row] = verdict
	}
	byDesign := func(row, exporter string) bool {
		expected, reason, _ := strings.Cut(o.differences[row], "\t")
		return expected == exporter && reason != ""
	}
	exporter, err := untilInTime(func(exporter string) bool {
		for row, verdict := range verdicts {
			if !agree(verdict, exporter) && !byDesign(row, exporter) {
				return false
			}
		}
		return true
	}, func() (string, error) { return n.survey(t.Context(), loaded, host), nil })
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for row, verdict := range verdicts {
		o.verdicts[row] = verdict
		if agree(verdict, exporter) {
			continue
		}
		o.differs[row] = true
		if !byDesign(row, exporter) {
			_, library, _ := strings.Cut(row, "\t")
			t.Errorf("%s: %s, exporter: %s", library, verdict, exporter)
		}
	}
}

// TestExporterAgreesWithGetaddrinfo runs every row of the table.
func TestExporterAgreesWithGetaddrinfo(t *testing.T) {
	table := rows()
	o := &oracle{
		programs: clients(t), recorded: readTable(t, "testdata/verdicts"), differences: readTable(t, "testdata/differences"),
		verdicts: make(map[string]string), differs: make(map[string]bool),
	}
	t.Run("rows", func(t *testing.T) {
		networks, configs := make(map[string]*namespace), make(map[string]*config.Loaded)
		for _, s := range sites {
			n := newNamespace(t, s.commands, map[string]string{
				"resolv.conf": "nameserver " + s.server.String() + "\n", "nsswitch.conf": "hosts: dns\n", "hosts": "",
			})
			startServer(t, n, table, s.server, s.other)
			networks[s.name], configs[s.name] = n, s.load(t)
		}
		for number := range table {
			r := &table[number]
			t.Run(r.key(), func(t *testing.T) {
				t.Parallel()
				site := cmp.Or(r.site, siteIPv4)
				o.try(t, networks[site], configs[site], r.key(), fmt.Sprintf("r%d.coap.example", number))
			})
		}
	})
	for row := range o.differences {
		if !o.differs[row] {
			t.Errorf("testdata/differences lists a row that agrees or is not in the table: %s", row)
		}
	}
	for row := range o.recorded {
		if _, ok := o.verdicts[row]; !ok && !*update {
			t.Errorf("testdata/verdicts lists a row that is not in the table: %s", row)
		}
	}
	t.Logf("%d rows, %d verdicts of libraries, the exporter differs from %d", len(table), len(o.verdicts), len(o.differs))
	if *update {
		var b strings.Builder
		for _, row := range slices.Sorted(maps.Keys(o.verdicts)) {
			fmt.Fprintf(&b, "%s\t%s\n", row, o.verdicts[row])
		}
		if err := os.WriteFile("testdata/verdicts", []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// readTable reads a file of lines of a row, a tab, a library, a tab and a text.
func readTable(t testing.TB, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(fields) < 3 {
			t.Fatalf("%s: %q is not a row, a library and a text", file, line)
		}
		table[fields[0]+"\t"+fields[1]] = fields[2]
	}
	return table
}
