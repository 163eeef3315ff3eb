//go:build realpeers

package alerts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/monitoring"
)

const (
	// faster divides the waits of the example: those of tickets, the longest, are then five seconds, and those of the
	// fleet, the shortest, a sixth of one. Alertmanager takes what inhibits an alert within them, on a busy machine
	// too.
	faster = 60
	// arrival bounds the time that a notification takes.
	arrival = 3 * time.Minute
)

type labels = map[string]string

// with is a copy of labels and some more.
func with(base labels, more labels) labels {
	out := maps.Clone(base)
	maps.Copy(out, more)
	return out
}

// named is an alert of the rules, with the labels that it always has.
func named(t *testing.T, name string, more labels) labels {
	t.Helper()
	r, ok := readAlerts(t)[name]
	if !ok {
		t.Fatalf("no alert %s", name)
	}
	return with(with(labels{"alertname": name}, r.Labels), more)
}

// startExample runs an Alertmanager by the example, and a recorder for all its receivers.
func startExample(t *testing.T) (*monitoring.Server, *monitoring.Recorder) {
	t.Helper()
	example, err := os.ReadFile("alertmanager.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	recorder := monitoring.NewRecorder(t)
	config, err := monitoring.ScaleAlertmanager(example, faster, recorder.URL())
	if err != nil {
		t.Fatal(err)
	}
	return monitoring.StartAlertmanager(t, config), recorder
}

// post tells Alertmanager of alerts that fire, as Prometheus does.
func post(t *testing.T, s *monitoring.Server, alerts ...labels) {
	t.Helper()
	postUntil(t, s, time.Now().Add(time.Hour), alerts...)
}

// postUntil tells Alertmanager of alerts that end at a time; those that have ended are resolved.
func postUntil(t *testing.T, s *monitoring.Server, end time.Time, alerts ...labels) {
	t.Helper()
	var body []map[string]any
	for _, a := range alerts {
		body = append(body, map[string]any{"labels": a, "endsAt": end})
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(s.URL("/api/v2/alerts"), "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("alertmanager: %s", response.Status)
	}
}

// notified posts alerts to an Alertmanager that runs by the example, and gives what its receivers got, one line each:
// receiver, alert, site, service, host.
//
// What is inhibited is known not to come by what comes after it: a last ticket, posted when those that are awaited have
// arrived, waits as long as any group does.
func notified(t *testing.T, awaited []string, alerts ...labels) []string {
	t.Helper()
	server, recorder := startExample(t)
	post(t, server, alerts...)
	for _, line := range awaited {
		recorder.Await(t, arrival, line, func(n monitoring.Notification) bool { return slices.Contains(lines(n), line) })
	}
	last := labels{"alertname": "EndpointLast", "severity": "warning"}
	post(t, server, last)
	recorder.Await(t, arrival, "the last", func(n monitoring.Notification) bool {
		_, ok := n.Find(monitoring.Firing, last)
		return ok
	})
	var got []string
	for _, n := range recorder.All() {
		if _, ok := n.Find(monitoring.Firing, last); !ok {
			got = append(got, lines(n)...)
		}
	}
	slices.Sort(got)
	return slices.Compact(got)
}

func lines(n monitoring.Notification) []string {
	var out []string
	for _, a := range n.Alerts {
		fields := []string{n.Receiver, a.Labels["alertname"]}
		for _, name := range []string{"site", "service", "host", "transport", "resolver"} {
			if v := a.Labels[name]; v != "" {
				fields = append(fields, v)
			}
		}
		out = append(out, strings.Join(fields, " "))
	}
	return out
}

func TestInhibition(t *testing.T) {
	berlin := labels{"job": "endpoint", "instance": "b:15684", "site": "berlin"}
	oslo := labels{"job": "endpoint", "instance": "o:15684", "site": "oslo"}
	nowhere := labels{"job": "endpoint", "instance": "n:15684"} // a site without a label of its own
	one := labels{"service": "s1", "host": "h1"}
	two := labels{"service": "s2", "host": "h2"}
	tcp, udp := labels{"transport": "tcp", "port": "5684"}, labels{"transport": "udp", "port": "5684"}
	near, far := labels{"resolver": "r1"}, labels{"resolver": "r2"}
	for _, tt := range []struct {
		name   string
		alerts []labels
		want   []string
	}{
		{"the fleet's page stands for those of the sites, for its host and its trouble", []labels{
			named(t, "EndpointInterceptedAtManySites", one),
			named(t, "EndpointIntercepted", with(berlin, one)),
			named(t, "EndpointIntercepted", with(nowhere, one)),
			named(t, "EndpointIntercepted", with(oslo, two)),
			named(t, "EndpointUnreachable", with(berlin, one)), // by the site's own page, though that is inhibited
			named(t, "EndpointUnreachable", with(oslo, one)),   // not intercepted there: another trouble
			named(t, "EndpointDnsStale", with(with(berlin, one), near)),
		}, []string{
			"page EndpointDnsStale berlin s1 h1 r1", "page EndpointIntercepted oslo s2 h2",
			"page EndpointInterceptedAtManySites s1 h1", "page EndpointUnreachable oslo s1 h1",
		}},
		{"unreachable at most sites", []labels{
			named(t, "EndpointUnreachableAtManySites", one),
			named(t, "EndpointUnreachable", with(berlin, one)),
			named(t, "EndpointUnreachable", with(nowhere, one)),
			named(t, "EndpointUnreachable", with(berlin, two)),
			named(t, "EndpointIntercepted", with(oslo, one)),
		}, []string{"page EndpointIntercepted oslo s1 h1", "page EndpointUnreachable berlin s2 h2", "page EndpointUnreachableAtManySites s1 h1"}},
		{"intercepted at most sites is why most do not reach it", []labels{
			named(t, "EndpointInterceptedAtManySites", one),
			named(t, "EndpointUnreachableAtManySites", one),
			named(t, "EndpointUnreachableAtManySites", two),
		}, []string{"page EndpointInterceptedAtManySites s1 h1", "page EndpointUnreachableAtManySites s2 h2"}},
		{"a certificate that has expired, seen by most sites: one page, though it also cuts them off", []labels{
			named(t, "EndpointCertificateExpiredAtManySites", one),
			named(t, "EndpointUnreachableAtManySites", one),
			named(t, "EndpointCertificateExpired", with(with(berlin, one), tcp)),
			named(t, "EndpointCertificateExpired", with(with(berlin, one), udp)),
			named(t, "EndpointCertificateExpired", with(with(nowhere, one), tcp)),
			named(t, "EndpointUnreachable", with(berlin, one)),
			named(t, "EndpointUnreachable", with(nowhere, one)),
			named(t, "EndpointCertificateExpired", with(with(oslo, two), tcp)),
		}, []string{"page EndpointCertificateExpired oslo s2 h2 tcp", "page EndpointCertificateExpiredAtManySites s1 h1"}},
		{"stale at most sites", []labels{
			named(t, "EndpointDnsStaleAtManySites", one),
			named(t, "EndpointDnsStale", with(with(berlin, one), near)),
			named(t, "EndpointDnsStale", with(with(berlin, two), near)),
		}, []string{"page EndpointDnsStale berlin s2 h2 r1", "page EndpointDnsStaleAtManySites s1 h1"}},
		{"intercepted: the page says why the host is unreachable, and tickets of other paths are kept", []labels{
			named(t, "EndpointIntercepted", with(berlin, one)),
			named(t, "EndpointUnreachable", with(berlin, one)),
			named(t, "EndpointUnreachable", with(berlin, two)),
			named(t, "EndpointUnreachable", with(oslo, one)),
			named(t, "EndpointAddressFails", with(with(berlin, one), tcp)),
			named(t, "EndpointAddressFails", with(with(oslo, two), tcp)),
		}, []string{
			"page EndpointIntercepted berlin s1 h1", "page EndpointUnreachable berlin s2 h2", "page EndpointUnreachable oslo s1 h1",
			"ticket EndpointAddressFails oslo s2 h2 tcp",
		}},
		{"intercepted, where no site has a label", []labels{
			named(t, "EndpointIntercepted", with(nowhere, one)),
			named(t, "EndpointUnreachable", with(nowhere, one)),
			named(t, "EndpointUnreachable", with(with(nowhere, one), labels{"instance": "other:15684"})),
		}, []string{"page EndpointIntercepted s1 h1", "page EndpointUnreachable s1 h1"}},
		{"a host's page stands for the tickets of its paths and resolvers", []labels{
			named(t, "EndpointUnreachable", with(berlin, one)),
			named(t, "EndpointPathBlocked", with(with(berlin, one), tcp)),
			named(t, "EndpointPathUnsteady", with(with(berlin, one), udp)),
			named(t, "EndpointResolverFails", with(with(berlin, one), near)),
			named(t, "EndpointPathBlocked", with(with(berlin, two), tcp)),
			named(t, "EndpointPathUnsteady", with(with(berlin, two), tcp)), // the same path
			named(t, "EndpointPathUnsteady", with(with(berlin, two), udp)),
			named(t, "EndpointDnsStale", with(with(berlin, one), near)),
		}, []string{
			"page EndpointDnsStale berlin s1 h1 r1", "page EndpointUnreachable berlin s1 h1",
			"ticket EndpointPathBlocked berlin s2 h2 tcp", "ticket EndpointPathUnsteady berlin s2 h2 udp",
		}},
		{"an expired certificate stands for what it blocks", []labels{
			named(t, "EndpointCertificateExpired", with(with(berlin, one), tcp)),
			named(t, "EndpointUnreachable", with(berlin, one)),
			named(t, "EndpointPathBlocked", with(with(berlin, one), tcp)),
			named(t, "EndpointPathBlocked", with(with(berlin, two), udp)),
		}, []string{"page EndpointCertificateExpired berlin s1 h1 tcp", "ticket EndpointPathBlocked berlin s2 h2 udp"}},
		{"proof of staleness makes the lesser finding superfluous, of that resolver", []labels{
			named(t, "EndpointDnsStale", with(with(berlin, one), near)),
			named(t, "EndpointResolverKeepsRecordsTooLong", with(with(berlin, one), near)),
			named(t, "EndpointResolverKeepsRecordsTooLong", with(with(berlin, one), far)),
			named(t, "EndpointDnsSuspect", with(with(berlin, two), far)),
		}, []string{"page EndpointDnsStale berlin s1 h1 r1", "ticket EndpointResolverKeepsRecordsTooLong berlin s1 h1 r2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := notified(t, tt.want, tt.alerts...); !slices.Equal(got, tt.want) {
				t.Errorf("%q\nwant %q", got, tt.want)
			}
		})
	}
}

// A site whose uplink is cut, or that is inspected, is one page, whatever the number of its hosts; another cause and
// another site are another.
func TestOnePageForASiteAndACause(t *testing.T) {
	server, recorder := startExample(t)
	var alerts []labels
	for i := range 7 {
		host := labels{"service": "s", "host": fmt.Sprint("h", i)}
		alerts = append(alerts,
			named(t, "EndpointUnreachable", with(host, labels{"job": "e", "instance": "b:1", "site": "berlin"})),
			named(t, "EndpointUnreachable", with(host, labels{"job": "e", "instance": "n:1"})),
			named(t, "EndpointDnsStale", with(host, labels{"job": "e", "instance": "b:1", "site": "berlin", "resolver": "r1"})),
			named(t, "EndpointDnsStaleAtManySites", labels{"service": "other", "host": fmt.Sprint("h", i)}),
			named(t, "EndpointCertificateExpiresSoon", with(host, labels{"job": "e", "instance": fmt.Sprint("b:", i), "site": fmt.Sprint("site", i)})),
		)
	}
	post(t, server, alerts...)
	for _, group := range []labels{
		{"alertname": "EndpointUnreachable", "site": "berlin"},
		{"alertname": "EndpointUnreachable", "job": "e", "instance": "n:1"},
		{"alertname": "EndpointDnsStale", "site": "berlin"},
		{"alertname": "EndpointDnsStaleAtManySites"},
	} {
		recorder.Await(t, arrival, fmt.Sprintf("one page of seven hosts for %v", group), func(n monitoring.Notification) bool {
			return n.Receiver == "page" && maps.Equal(n.GroupLabels, group) && len(n.Alerts) == 7
		})
	}
	recorder.Await(t, arrival, "one ticket for what is the cloud's at seven sites", func(n monitoring.Notification) bool {
		return n.Receiver == "ticket" && n.GroupLabels["alertname"] == "EndpointCertificateExpiresSoon" && len(n.Alerts) == 7
	})
}

// The end of a ticket that nobody was sent is not sent either, though its host's page ends soon after it: a group
// that has sent other tickets would name it among those that are over, were it not told of the end while the page
// still stands.
func TestEndOfWhatWasInhibited(t *testing.T) {
	server, recorder := startExample(t)
	site := labels{"job": "endpoint", "instance": "b:15684", "site": "berlin", "transport": "udp", "port": "5684"}
	cut, half := labels{"service": "s1", "host": "h1"}, labels{"service": "s2", "host": "h2"}
	page := named(t, "EndpointUnreachable", with(site, cut))
	silent, sent := named(t, "EndpointPathBlocked", with(site, cut)), named(t, "EndpointPathBlocked", with(site, half))
	post(t, server, page, silent, sent)
	for _, a := range []labels{page, sent} {
		recorder.Await(t, arrival, fmt.Sprint("firing ", a), func(n monitoring.Notification) bool {
			_, ok := n.Find(monitoring.Firing, a)
			return ok
		})
	}

	all := readAlerts(t)
	mended := time.Now()
	postUntil(t, server, mended, silent, sent)
	postUntil(t, server, mended.Add(time.Duration(all["EndpointUnreachable"].KeepFiringFor-all["EndpointPathBlocked"].KeepFiringFor)/faster), page)
	for _, a := range []labels{sent, page} {
		recorder.Await(t, arrival, fmt.Sprint("resolved ", a), func(n monitoring.Notification) bool {
			_, ok := n.Find(monitoring.Resolved, a)
			return ok
		})
	}
	for _, n := range recorder.All() {
		for _, a := range n.Alerts {
			if a.Is(silent) {
				t.Errorf("%s: %s %v", n.Receiver, a.Status, a.Labels)
			}
		}
	}
}

// A page whose end was inhibited is sent again when its fault comes back. Alertmanager did not tell of the end, and
// so takes it for one that was sent and still stands: it is the time of repetition that ends that.
func TestPageThatComesBackAfterItsEndWasInhibited(t *testing.T) {
	server, recorder := startExample(t)
	one := labels{"service": "s1", "host": "h1"}
	fleet := named(t, "EndpointInterceptedAtManySites", one)
	page := named(t, "EndpointIntercepted", with(one, labels{"job": "endpoint", "instance": "b:15684", "site": "berlin"}))
	sent := func(status string, a labels) func(monitoring.Notification) bool {
		return func(n monitoring.Notification) bool {
			_, ok := n.Find(status, a)
			return ok
		}
	}
	post(t, server, page)
	recorder.Await(t, arrival, "the site's page", sent(monitoring.Firing, page))
	post(t, server, fleet)
	recorder.Await(t, arrival, "the fleet's page", sent(monitoring.Firing, fleet))

	all := readAlerts(t)
	mended := time.Now()
	postUntil(t, server, mended, page)
	postUntil(t, server, mended.Add(time.Duration(all["EndpointInterceptedAtManySites"].KeepFiringFor-all["EndpointIntercepted"].KeepFiringFor)/faster), fleet)
	recorder.Await(t, arrival, "the end of the fleet's page", sent(monitoring.Resolved, fleet))
	before := len(recorder.All())
	post(t, server, page)
	recorder.Await(t, arrival, "the site's page again", func(monitoring.Notification) bool {
		return slices.ContainsFunc(recorder.All()[before:], sent(monitoring.Firing, page))
	})
}
