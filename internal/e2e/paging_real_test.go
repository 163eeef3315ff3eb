//go:build realpeers

// Package e2e tests everything together: simulated clouds, the exporter as a program, Prometheus with the shipped
// rules, Alertmanager with the example's routes, and a webhook receiver.
package e2e

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/monitoring"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// faster divides the times of rules and routes: 10 minutes become 8 seconds.
	faster = 75
	// lasting is endpoint:threshold:lasting_seconds of the rules, scaled: two seconds.
	lasting = 150. / faster
	// every is the time between scrapes: a window of 5 minutes, scaled to 4 seconds, still contains several.
	every = time.Second
	// pageTimeout bounds the wait for a notification or its resolution on a loaded machine; without load they take
	// less than a minute.
	pageTimeout = 3 * time.Minute
	// extended is the minimum TTL, in seconds, of the faulty site's resolver. Only the records of tcp-lwm2m have a
	// shorter TTL. It is short because a cache entry proves staleness only once: the next proof needs the next entry.
	extended = 8
)

// freshness has the constants of the proof, scaled like the rules. After the first piece of evidence the judge needs 16
// answers before it accepts a second: hold must be longer than that takes.
const freshness = `
survey: {min_interval: 0s}
freshness: {margin: 2s, slack: 2s, authority_lag: 4s, learning: 5s, hold: 40s, spacing: 1s}
`

// expected is one alert that a fault must cause.
type expected struct {
	receiver, alert, service string
	contains                 []string // in its description
}

// TestAlerts inflicts faults of every kind on one site: the notification arrives, names the right host, and is
// resolved once the fault is removed. A healthy site, with rotating addresses and missed scrapes, causes none.
func TestAlerts(t *testing.T) {
	sick := startSite(t, lab.Options{Hosts: hosts("bootstrap", "lwm2m", "udp-lwm2m", "tcp-lwm2m"), TTL: 60, Records: map[string]lab.RecordSet{
		"tcp-lwm2m." + lab.Domain: {TTL: lab.TTL(1)},
	}})
	rotating, rotate := rotation("bootstrap", "udp-lwm2m", "containers")
	healthy := startSite(t, lab.Options{Hosts: hosts("bootstrap", "udp-lwm2m", "containers"), Addresses: 4, TTL: 1, Records: rotating})
	rotate(healthy.Lab)

	exporter := program.Build(t, t.TempDir(), "../../cmd/endpoint_exporter")
	recorder := monitoring.NewRecorder(t)
	stack := monitoring.Start(t, monitoring.Options{
		Targets: []monitoring.Target{
			{Address: serve(t, exporter, sick), Labels: map[string]string{"site": "berlin"}},
			{Address: missing(t, serve(t, exporter, healthy)), Labels: map[string]string{"site": "oslo"}},
		},
		Rules:        scaledRules(t),
		Alertmanager: scaledRoutes(t, recorder.URL()),
		Every:        every,
		Lookback:     5 * time.Minute / faster,
	})
	// First healthy, until the learning phase of the staleness proof is over.
	stack.Await(t, pageTimeout, "all paths of both sites up, and the judge's first verdict", `count(endpoint_path_up == 1) == 14 and count(endpoint_dns_verdict{site="berlin",verdict="ok"} == 1) == 4`)
	if all := recorder.All(); len(all) > 0 {
		t.Fatalf("a page before any fault: %+v", all)
	}

	faults := []struct{ where, fault, mended string }{
		{"bootstrap/tcp:5684", lab.ForgedIssuer, lab.None},
		{"udp-lwm2m", lab.Refuse, lab.None},
		{"lwm2m/udp", lab.Refuse, lab.None},
		{"resolver", "min_ttl:" + strconv.Itoa(extended), "honest"},
	}
	device := strconv.Itoa(int(sick.Port(lab.NominalDevice)))
	owed := []expected{
		{"page", "EndpointIntercepted", "bootstrap", []string{"At berlin", "forged_issuer on tcp " + device, "ARM Bootstrap CA"}},
		{"page", "EndpointUnreachable", "udp-lwm2m", []string{"At berlin", "refused on udp " + device}},
		{"ticket", "EndpointPathBlocked", "lwm2m", []string{"At berlin", "udp " + device, "refused"}},
		{"page", "EndpointDnsStale", "tcp-lwm2m", []string{"At berlin", sick.ResolverAddress.String()}},
	}
	for _, f := range faults {
		if err := sick.Set(f.where, f.fault); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range owed {
		e.await(t, recorder, monitoring.Firing)
	}
	for _, f := range faults {
		if err := sick.Set(f.where, f.mended); err != nil {
			t.Fatal(err)
		}
	}
	sick.Resolver.Flush()
	for _, e := range owed {
		e.await(t, recorder, monitoring.Resolved)
	}
	stack.Await(t, pageTimeout, "nothing fires any more", `absent(ALERTS{alertstate="firing",severity!="info"})`)

	for _, n := range recorder.All() {
		for _, a := range n.Alerts {
			if !slices.ContainsFunc(owed, func(e expected) bool { return n.Receiver == e.receiver && a.Is(e.labels()) }) {
				t.Errorf("not owed: %s %s %v: %s", n.Receiver, a.Status, a.Labels, a.Annotations["description"])
			}
		}
	}
	if resolved := repeats(recorder.All()); len(resolved) > 0 {
		t.Errorf("resolved and fired again: %q", resolved)
	}
	// The healthy site was scraped all the time, and some scrapes were lost.
	stack.Await(t, pageTimeout, "missed scrapes", `avg_over_time(up{site="oslo"}[1m]) < 0.9 and on() count(endpoint_up{site="oslo"} == 1) == 3`)
}

func (e expected) labels() map[string]string {
	return map[string]string{"alertname": e.alert, "site": "berlin", "job": "endpoint", "service": e.service, "host": e.service + "." + lab.Domain}
}

// await waits for a notification of the alert with the given status, and checks it.
func (e expected) await(t *testing.T, recorder *monitoring.Recorder, status string) {
	t.Helper()
	n := recorder.Await(t, pageTimeout, e.alert+" "+status, func(n monitoring.Notification) bool {
		_, ok := n.Find(status, e.labels())
		return ok && n.Receiver == e.receiver
	})
	a, _ := n.Find(status, e.labels())
	for _, words := range append(e.contains, e.service+"."+lab.Domain) {
		if !strings.Contains(a.Annotations["description"], words) {
			t.Errorf("%s does not say %q: %s", e.alert, words, a.Annotations["description"])
		}
	}
}

// repeats lists the alerts that fired again after they were resolved.
func repeats(all []monitoring.Notification) []string {
	over := make(map[string]bool)
	var out []string
	for _, n := range all {
		for _, a := range n.Alerts {
			name := fmt.Sprint(a.Labels)
			if a.Status == monitoring.Firing && over[name] {
				out = append(out, name)
			}
			over[name] = a.Status == monitoring.Resolved
		}
	}
	return out
}

// hosts picks some of the cloud's hosts by service.
func hosts(services ...string) []lab.Host {
	return slices.DeleteFunc(lab.Izuma(), func(h lab.Host) bool { return !slices.Contains(services, h.Service) })
}

// rotation returns records that give each query two of a host's addresses; start must be called once the lab has them.
func rotation(services ...string) (records map[string]lab.RecordSet, start func(*lab.Lab)) {
	records = make(map[string]lab.RecordSet)
	var running atomic.Pointer[lab.Lab]
	for _, service := range services {
		name := service + "." + lab.Domain
		records[name] = lab.RecordSet{Addresses: func(at time.Time, draw uint64) []netip.Addr {
			l := running.Load()
			if l == nil {
				return nil
			}
			return lab.Rotating(2, l.AddressesOf(name)...)(at, draw)
		}}
	}
	return records, running.Store
}

// nameServers is how many servers the zone has: the exporter queries each at most twice per second.
const nameServers = 6

// site is a lab with its exporter's configuration.
type site struct {
	*lab.Lab
	config string
}

// startSite runs a lab until the test ends, with further servers for its zone.
func startSite(t *testing.T, o lab.Options) *site {
	t.Helper()
	l := labtest.Start(t, o)
	first := fmt.Sprintf("%q", l.NameServerAddress)
	servers := first
	for range nameServers - 1 {
		server, err := lab.ServeDNS(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), l.NameServer, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		servers += fmt.Sprintf(", %q", server.Address)
	}
	return &site{l, strings.Replace(l.Config(), first, servers, 1) + freshness}
}

// serve runs the exporter for a site and returns its address.
func serve(t *testing.T, exporter string, s *site) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, []byte(s.config), 0o600); err != nil {
		t.Fatal(err)
	}
	return program.Start(t, exec.Command(exporter, "--config.file="+file, "--web.listen-address=127.0.0.1:0"))
}

// missing is a proxy for an exporter that loses two consecutive scrapes of seven.
func missing(t *testing.T, exporter string) string {
	t.Helper()
	transport := &http.Transport{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: exporter})
	forward.Transport = transport
	forward.ErrorLog = log.New(io.Discard, "", 0) // a cancelled scrape is lost too
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%7 >= 5 {
			http.Error(w, "lost", http.StatusBadGateway)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return strings.TrimPrefix(server.URL, "http://")
}

// scaledRules are the shipped rules with scaled times.
func scaledRules(t *testing.T) []byte {
	t.Helper()
	file, err := os.ReadFile("../../alerts/endpoint.rules.yml")
	if err == nil {
		file, err = monitoring.ScaleRules(file, faster, map[string]float64{"endpoint:threshold:lasting_seconds": lasting})
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// scaledRoutes are the routes of the example with scaled times, and the recorder as every receiver.
func scaledRoutes(t *testing.T, recorder string) []byte {
	t.Helper()
	file, err := os.ReadFile("../../alerts/alertmanager.example.yml")
	if err == nil {
		file, err = monitoring.ScaleAlertmanager(file, faster, recorder)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}
