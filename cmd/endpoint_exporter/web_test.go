package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
)

// bootstrapOnly is a lab of one host, with three paths.
func bootstrapOnly(t *testing.T, network *memnet.Network) *lab.Lab {
	t.Helper()
	return labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1], Network: network})
}

const bootstrapHost = "bootstrap.us-east-1.mbedcloud.com"

func TestProbe(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:2], Network: network})
		config := l.Config() + "probe: {allow: [\"*.allowed.test\", 127.0.0.9]}\n"
		e := startExporterOn(t, network, config)
		for name, test := range map[string]struct {
			query, header string
			code          int
			text          string
		}{
			"a configured host":                     {query: "target=" + bootstrapHost, code: http.StatusOK, text: `endpoint_path_up{host="bootstrap.us-east-1.mbedcloud.com"`},
			"its name in capitals with a final dot": {query: "target=" + strings.ToUpper(bootstrapHost) + ".", code: http.StatusOK, text: "endpoint_up"},
			"no target":                             {query: "host=" + bootstrapHost, code: http.StatusBadRequest, text: "parameter target is missing: /probe?target=HOST"},
			"an empty host":                         {query: "target=", code: http.StatusBadRequest, text: "parameter target: the host is empty"},
			"a URL":                                 {query: "target=http://bootstrap/", code: http.StatusBadRequest, text: "without scheme"},
			"a host that is not allowed":            {query: "target=example.com", code: http.StatusForbidden, text: "host example.com is neither an endpoint of the configuration nor allowed by probe.allow"},
			"an address that is not allowed":        {query: "target=127.0.0.1", code: http.StatusForbidden, text: "nor allowed by probe.allow"},
			"an address that is allowed":            {query: "target=127.0.0.9", code: http.StatusOK, text: `endpoint_path_failure{class="blocked",host="127.0.0.9",port="443",reason="refused",service="probe"`},
			"scrape timeout that is not a number":   {query: "target=" + bootstrapHost, header: "soon", code: http.StatusBadRequest, text: `"soon" is not a positive number of seconds`},
			"a scrape time-out below zero":          {query: "target=" + bootstrapHost, header: "-1", code: http.StatusBadRequest, text: "not a positive number"},
			"an absurd scrape time-out":             {query: "target=" + bootstrapHost, header: "1e300", code: http.StatusOK, text: "endpoint_up"},
			"an infinite scrape time-out":           {query: "target=" + bootstrapHost, header: "+Inf", code: http.StatusBadRequest, text: "not a positive number"},
		} {
			var header []string
			if test.header != "" {
				header = []string{timeoutHeader, test.header}
			}
			code, body := get(t, e, http.MethodGet, "/probe?"+test.query, header...)
			if code != test.code || !strings.Contains(body, test.text) {
				t.Errorf("%s: %d, want %d with %q:\n%.2000s", name, code, test.code, test.text, body)
			}
			if code == http.StatusOK && strings.Contains(body, "containers.us-east-1") {
				t.Errorf("%s: it contains series of another host", name)
			}
		}
	})
}

// TestProbeOfNameWithPrivateAddress has the lab's DNS resolve an allowed name to loopback.
func TestProbeOfNameWithPrivateAddress(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:2], Network: network})
		config := strings.ReplaceAll(l.Config(), "host: containers.", "host: another.") + "probe: {allow: [\"containers.us-east-1.mbedcloud.com\"]}\n"
		code, body := get(t, startExporterOn(t, network, config), http.MethodGet, "/probe?target=containers.us-east-1.mbedcloud.com")
		if code != http.StatusForbidden || !strings.Contains(body, "leads to 127.") || !strings.Contains(body, "which probe.allow does not allow") {
			t.Errorf("%d %.500s", code, body)
		}
	})
}

func TestServiceDiscovery(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:2], Network: network})
		config := l.Config() + "  - {service: again, host: " + bootstrapHost + ", client: web, paths: [{transport: tcp, port: 443}]}\n"
		code, body := get(t, startExporterOn(t, network, config), http.MethodGet, "/sd")
		var groups []targetGroup
		if err := json.Unmarshal([]byte(body), &groups); err != nil || code != http.StatusOK {
			t.Fatalf("%d %v %s", code, err, body)
		}
		want := []targetGroup{
			{[]string{bootstrapHost}, map[string]string{"__meta_endpoint_services": "bootstrap,again"}},
			{[]string{"containers.us-east-1.mbedcloud.com"}, map[string]string{"__meta_endpoint_services": "containers"}},
		}
		if !reflect.DeepEqual(groups, want) {
			t.Errorf("got %v", groups)
		}
	})
}

func TestReload(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:2], Network: network})
		e := startExporterOn(t, network, l.Config()+"survey: {min_interval: 0s}\n", func(s *serve) { s.enableLifecycle = true })
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(e.flags.configFile, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		scrape(t, e)

		write("endpoints: [{service: s}]\nsurvey: {timeout: never}\n")
		code, body := get(t, e, http.MethodPost, "/-/reload")
		if code != http.StatusInternalServerError || !strings.Contains(body, "endpoints[0]: host is missing") || !strings.Contains(body, "survey.timeout") {
			t.Errorf("a bad file: %d %s", code, body)
		}
		const refused = "The configuration file was refused at "
		if _, page := get(t, e, http.MethodGet, "/"); !strings.Contains(page, refused) {
			t.Error("the page does not report that the file was refused")
		}
		x := scrape(t, e)
		if good, ok := x.one("endpoint_exporter_config_last_reload_successful"); !ok || good != 0 {
			t.Errorf("after a bad file: last reload successful %v (%v)", good, ok)
		}
		if len(x.of("endpoint_up")) != 2 {
			t.Errorf("the old configuration did not stay: %v", x.of("endpoint_up"))
		}

		// The good file drops containers and keeps bootstrap, whose counters go on.
		before, _, _ := strings.Cut(l.Config(), "  - service: containers")
		write(before + "survey: {min_interval: 0s}\n")
		if code, body := get(t, e, http.MethodPost, "/-/reload"); code != http.StatusOK {
			t.Fatalf("a good file: %d %s", code, body)
		}
		if _, page := get(t, e, http.MethodGet, "/"); strings.Contains(page, refused) {
			t.Error("the page still reports that the file was refused")
		}
		x = scrape(t, e)
		if good, ok := x.one("endpoint_exporter_config_last_reload_successful"); !ok || good != 1 {
			t.Errorf("after a good file: last reload successful %v (%v)", good, ok)
		}
		if n := x.of("endpoint_up"); len(n) != 1 {
			t.Errorf("hosts after the reload: %v", n)
		}
		path := []string{`service="bootstrap"`, `transport="udp"`}
		if n, ok := x.one("endpoint_path_attempts_total", append(path, `result="ok"`)...); !ok || n != 3 { // the page's rounds still run at the scrape after it
			t.Errorf("attempts over the reload: %v (%v)", n, ok)
		}
		if n, ok := x.one("endpoint_handshake_duration_seconds", path...); !ok || n != 3 { // the page's rounds still run at the scrape after it
			t.Errorf("handshakes over the reload: %v (%v)", n, ok)
		}
	})
}

// TestReloadFromAnotherOrigin posts as a browser does, from a page of the exporter and from other pages.
func TestReloadFromAnotherOrigin(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		e := startExporterOn(t, network, bootstrapOnly(t, network).Config(), func(s *serve) { s.enableLifecycle = true })
		for name, test := range map[string]struct {
			header []string
			code   int
		}{
			"no browser: reloaded":                {nil, http.StatusOK},
			"the exporter's own page: reloaded":   {[]string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
			"a page of another origin: forbidden": {[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
			"an older browser: forbidden":         {[]string{"Origin", "https://evil.example"}, http.StatusForbidden},
			"another port of the host: forbidden": {[]string{"Origin", "http://example.com:8080"}, http.StatusForbidden},
		} {
			if code, body := get(t, e, http.MethodPost, "/-/reload", test.header...); code != test.code {
				t.Errorf("%s: %d %s", name, code, body)
			}
		}
	})
}

// TestStatusPageIsNotFramed checks the headers that browsers act on.
func TestStatusPageIsNotFramed(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		recorder := httptest.NewRecorder()
		startExporterOn(t, network, bootstrapOnly(t, network).Config()).handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		policy := recorder.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("policy %q", policy)
		}
	})
}

// TestFollowResolvers changes the system's resolvers: one, none for a moment, and then another.
func TestFollowResolvers(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		first, second := bootstrapOnly(t, network), bootstrapOnly(t, network)
		var named atomic.Pointer[[]netip.AddrPort]
		name := func(resolvers ...netip.AddrPort) { named.Store(&resolvers) }
		name(first.ResolverAddress)
		_, config, _ := strings.Cut(first.Config(), "\nresolvers: ") // what follows the line is the rest
		_, config, _ = strings.Cut(config, "\n")
		e := startExporterOn(t, network, "catalogues: []\n"+config+"survey: {min_interval: 0s}\n", func(s *serve) {
			s.systemResolvers = func() ([]netip.AddrPort, error) { return *named.Load(), nil }
		})
		for _, step := range []struct {
			name string
			now  []netip.AddrPort
			want netip.AddrPort
		}{
			{"the first lease", []netip.AddrPort{first.ResolverAddress}, first.ResolverAddress},
			{"while the file is replaced", nil, first.ResolverAddress},
			{"the next lease", []netip.AddrPort{second.ResolverAddress}, second.ResolverAddress},
		} {
			name(step.now...)
			x := scrape(t, e)
			if up := x.of("endpoint_dns_up"); len(up) != 1 || len(x.of("endpoint_dns_up", fmt.Sprintf("resolver=%q", step.want))) != 1 {
				t.Errorf("%s: %v, want %s", step.name, up, step.want)
			}
		}
		name()
		if err := e.reload(); err != nil {
			t.Fatal(err)
		}
		if x := scrape(t, e); len(x.of("endpoint_dns_up", fmt.Sprintf("resolver=%q", second.ResolverAddress))) != 1 {
			t.Errorf("a reload while the file is replaced: %v", x.of("endpoint_dns_up"))
		}
	})
}

func TestReloadByHTTPDisabled(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := bootstrapOnly(t, network)
		if code, body := get(t, startExporterOn(t, network, l.Config()), http.MethodPost, "/-/reload"); code != http.StatusForbidden || !strings.Contains(body, "--web.enable-lifecycle") {
			t.Errorf("%d %s", code, body)
		}
	})
}

func TestStatusPage(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := bootstrapOnly(t, network)
		e := startExporterOn(t, network, l.Config())
		fetch := func(url string, after time.Duration) (page, refresh string) {
			t.Helper()
			time.Sleep(after) //nolint:forbidigo // virtual time
			began := time.Now()
			recorder := httptest.NewRecorder()
			e.handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))
			if took := time.Since(began); took > 0 || recorder.Code != http.StatusOK {
				t.Errorf("%s: status %d after %v", url, recorder.Code, took)
			}
			return recorder.Body.String(), recorder.Header().Get("Refresh")
		}
		for _, step := range []struct {
			name          string
			url           string
			after         time.Duration
			refresh, want string
		}{
			{"at first", "/", 0, "3", "0 of 1 host is measured."},
			{"the first report", "/", 5 * time.Second, "10", "all 3 paths carry a device"},
			{"without updates", "/?refresh=off", time.Second, "", "does not update itself"},
			{"a search", "/?host=lwm2m", time.Second, "15", "0 of 1 host. "},
			{"the next round runs", "/", time.Minute, "3", "The next measurement is running."},
			{"after it", "/", 3 * time.Second, "10", "<title>2 rounds since "},
		} {
			page, refresh := fetch(step.url, step.after)
			if refresh != step.refresh || !strings.Contains(page, step.want) || strings.Contains(page, "<script") {
				t.Errorf("%s: Refresh %q, want %q and a page with %q:\n%s", step.name, refresh, step.refresh, step.want, page)
			}
		}
		if n, _ := scrape(t, e).one("endpoint_path_attempts_total", `transport="udp"`, `result="ok"`); n != 2 {
			t.Errorf("%v rounds, want 2", n)
		}
		if code, _ := get(t, e, http.MethodGet, "/elsewhere"); code != http.StatusNotFound {
			t.Errorf("another page: %d", code)
		}
		for _, path := range []string{"/-/healthy", "/-/ready"} {
			if code, _ := get(t, e, http.MethodGet, path); code != http.StatusOK {
				t.Errorf("%s: %d", path, code)
			}
		}
	})
}

func TestReportSharesTheRoundOfMetrics(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := bootstrapOnly(t, network)
		if err := l.Set("bootstrap/tcp:5684", lab.Refuse); err != nil {
			t.Fatal(err)
		}
		e := startExporterOn(t, network, l.Config())
		var x exposition
		var body string
		var both sync.WaitGroup
		both.Go(func() { x = scrape(t, e) })
		both.Go(func() { _, body = get(t, e, http.MethodGet, "/api/v1/report") })
		both.Wait()
		var view present.View
		if err := json.Unmarshal([]byte(body), &view); err != nil {
			t.Fatal(err)
		}
		if p := view.Hosts[0].Paths[0]; view.Healthy || p.Reason != "refused" || p.Class != "blocked" {
			t.Errorf("report: %+v", p)
		}
		// Two samples, A and AAAA, of one round.
		if n, ok := x.one("endpoint_dns_queries_total", `leg="authority"`, `rcode="noerror"`); !ok || n != 2 {
			t.Errorf("two requests at once took %v samples", n)
		}
	})
}

func TestCollectParameter(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := bootstrapOnly(t, network)
		e := startExporterOn(t, network, l.Config())
		for _, test := range []struct {
			query           string
			round, own, bad bool
			all             bool // every metric about the exporter
		}{
			{query: "?collect[]=exporter", own: true}, // first, when no round has been made
			{query: "?collect[]=hosts", bad: true},
			{query: "?collect[]=exporter&collect[]=", bad: true},
			{query: "?collect[]=endpoints", round: true},
			{query: "?collect[]=endpoints&collect[]=exporter", round: true, own: true},
			{query: "", round: true, own: true},
			{query: "?collect[]=exporter", own: true, all: true}, // the state of port 53 is known now
		} {
			before := l.NameServer.Queries()
			code, body := get(t, e, http.MethodGet, "/metrics"+test.query)
			if test.bad != (code == http.StatusBadRequest) || test.bad != strings.Contains(body, "is neither endpoints nor exporter") {
				t.Errorf("%s: %d %.200s", test.query, code, body)
			}
			round, own := strings.Contains(body, "\nendpoint_survey_"), strings.Contains(body, "\nendpoint_exporter_build_info{")
			if round != test.round || own != test.own {
				t.Errorf("%s: of a round: %v, of the exporter: %v", test.query, round, own)
			}
			if test.own && !test.round {
				for _, m := range regexp.MustCompile(`(?m)^# TYPE (endpoint_\w+)`).FindAllStringSubmatch(body, -1) {
					if !slices.Contains(collector.ExporterMetrics(), m[1]) {
						t.Errorf("%s: %s is not about the exporter", test.query, m[1])
					}
				}
				for _, name := range collector.ExporterMetrics() {
					if test.all && !strings.Contains(body, "\n"+name+"{") && !strings.Contains(body, "\n"+name+" ") {
						t.Errorf("%s: no %s", test.query, name)
					}
				}
			}
			if asked := l.NameServer.Queries() - before; !test.round && asked > 0 {
				t.Errorf("%s: a round was made", test.query)
			}
		}
	})
}

func TestCheckPaths(t *testing.T) {
	for path, good := range map[string]bool{
		"/metrics": true, "/site/metrics": true,
		"": false, "/": false, "metrics": false, "/probe": false, "/sd": false, "/-/healthy": false, "/api/v1/report": false,
		"/m{x}": false, "/metrics/": false, "/a//b": false, "/a/../b": false, "/metrics?x": false,
	} {
		if err := (&serve{telemetryPath: path}).checkPaths(); (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		}
	}
	for name, test := range map[string]struct {
		url    string
		prefix *string
		want   string
		good   bool
	}{
		"nothing":                        {"", nil, "", true},
		"a URL without a path":           {"https://gw.example", nil, "", true},
		"a URL with a path":              {"https://gw.example/a/b/", nil, "/a/b", true},
		"a prefix":                       {"", new("/a"), "/a", true},
		"a prefix without a slash":       {"", new("a/"), "/a", true},
		"a proxy that strips the prefix": {"https://gw.example/a", new("/"), "", true},
		"not a URL":                      {"gw.example/a", nil, "", false},
		"a URL with a password":          {"https://me:secret@gw.example/", nil, "", false},
		"a URL with a query":             {"https://gw.example/?a=b", nil, "", false},
		"a prefix with a pattern":        {"", new("/{a}"), "", false},
		"a prefix that climbs":           {"", new("/a/../b"), "", false},
	} {
		s := &serve{telemetryPath: "/metrics", externalURL: test.url}
		if test.prefix != nil {
			s.routePrefix, s.prefixGiven = *test.prefix, true
		}
		err := s.checkPaths()
		if (err == nil) != test.good || test.good && s.routePrefix != test.want {
			t.Errorf("%s: %q, %v", name, s.routePrefix, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the password is printed: %v", name, err)
		}
	}
}

// TestRoutePrefix serves all pages below a prefix, as behind a reverse proxy.
func TestRoutePrefix(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		e := startExporterOn(t, network, bootstrapOnly(t, network).Config(), func(s *serve) {
			s.externalURL, s.routePrefix, s.enableLifecycle = "https://gw.example/endpoint", "/endpoint", true
		})
		for _, test := range []struct {
			method, path, origin string
			code                 int
			text                 string
		}{
			{http.MethodGet, "/", "", http.StatusFound, "/endpoint/"},
			{http.MethodGet, "/metrics", "", http.StatusNotFound, ""},
			{http.MethodGet, "/endpoint/", "", http.StatusOK, `<a href="metrics">Metrics</a> · <a href="api/v1/report">this report as JSON</a> · <a href="sd">`},
			{http.MethodGet, "/endpoint/metrics", "", http.StatusOK, "endpoint_up"},
			{http.MethodGet, "/endpoint/probe?target=" + bootstrapHost, "", http.StatusOK, "endpoint_up"},
			{http.MethodGet, "/endpoint/sd", "", http.StatusOK, bootstrapHost},
			{http.MethodGet, "/endpoint/api/v1/report", "", http.StatusOK, bootstrapHost},
			{http.MethodGet, "/endpoint/-/healthy", "", http.StatusOK, "healthy"},
			{http.MethodGet, "/endpoint/nowhere", "", http.StatusNotFound, ""},
			{http.MethodPost, "/endpoint/-/reload", "https://gw.example", http.StatusOK, "reloaded"},
			{http.MethodPost, "/endpoint/-/reload", "https://elsewhere.example", http.StatusForbidden, ""},
		} {
			var header []string
			if test.origin != "" {
				header = []string{"Origin", test.origin, "Sec-Fetch-Site", "cross-site"}
			}
			if code, body := get(t, e, test.method, test.path, header...); code != test.code || !strings.Contains(body, test.text) {
				t.Errorf("%s %s from %q: %d %.300s", test.method, test.path, test.origin, code, body)
			}
		}
	})
}

func TestAddressesFlag(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1], Addresses: 3, Network: network})
		if n := scrape(t, startExporterOn(t, network, l.Config())).of("endpoint_dns_address_info"); len(n) != 3 {
			t.Errorf("addresses %v", n)
		}
		off := startExporterOn(t, network, l.Config(), func(s *serve) { s.addresses = false })
		if n := scrape(t, off).of("endpoint_dns_address_info"); len(n) != 0 {
			t.Errorf("turned off, but %v", n)
		}
	})
}

// TestScrapesOfASilentHost keeps a round open with a silent host and sends 200 scrapes: all share the round.
func TestScrapesOfASilentHost(t *testing.T) {
	t.Parallel()
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := bootstrapOnly(t, network)
		if err := l.Set("*/tcp", lab.Silence); err != nil {
			t.Fatal(err)
		}
		e := startExporterOn(t, network, l.Config())
		handler := e.handler()
		var complete atomic.Int64
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
				body := recorder.Body.String()
				if recorder.Code == http.StatusOK && strings.Count(body, "\nendpoint_path_up{") == len(l.Places()) {
					complete.Add(1)
				}
			})
		}
		all.Wait()
		if complete.Load() != 200 {
			t.Errorf("%d of 200 scrapes are complete", complete.Load())
		}
	})
}

// TestReportIsMadeInTurn has a scrape wait for its turn after its time has ended: it holds no report, of which many
// would fill the memory, but makes one in its turn, when the round has ended.
func TestReportIsMadeInTurn(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		network.Delay = 30 * time.Millisecond
		l := bootstrapOnly(t, network)
		e := startExporterOn(t, network, l.Config())
		for range maxRendering {
			e.responses.rendering <- struct{}{}
		}
		var scraped sync.WaitGroup
		scraped.Go(func() {
			_, body := get(t, e, http.MethodGet, "/metrics", timeoutHeader, "0.02")
			if n := strings.Count(body, "\nendpoint_path_up{"); n != len(l.Places()) {
				t.Errorf("%d of %d paths", n, len(l.Places()))
			}
		})
		time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
		for range maxRendering {
			<-e.responses.rendering
		}
		scraped.Wait()
	})
}

// deadlines is a client's connection that records its deadlines.
type deadlines struct {
	http.ResponseWriter
	read, write time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error  { d.read = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write = t; return nil }

// TestRequestDeadlines checks that every request has a read and a write deadline: net/http waits for an announced
// body before it answers.
func TestRequestDeadlines(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		e := startExporterOn(t, network, bootstrapOnly(t, network).Config())
		for _, url := range []string{"/metrics", "/", "/probe?target=" + bootstrapHost, "/sd", "/api/v1/report", "/-/healthy", "/nowhere"} {
			d := &deadlines{ResponseWriter: httptest.NewRecorder()}
			e.handler().ServeHTTP(d, httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))
			if d.read.IsZero() || d.write.IsZero() {
				t.Errorf("%s: read deadline %v, write deadline %v", url, d.read, d.write)
			}
		}
	})
}

// TestServeStopsDuringASlowRound stops the server while a scrape waits for a host that does not answer. It runs on
// the kernel's sockets, since it listens for HTTP.
func TestServeStopsDuringASlowRound(t *testing.T) {
	t.Parallel()
	looking, looked := context.WithCancel(t.Context())
	defer looked()
	l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1], Records: map[string]lab.RecordSet{
		bootstrapHost: {TTL: func(time.Time) uint32 { looked(); return 60 }},
	}})
	if err := l.Set("*/udp", lab.Drop); err != nil { // 6.5 s, longer than the drain
		t.Fatal(err)
	}
	address := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"--config.file=" + configFile(t, l.Config()), "--web.listen-address=" + address, "--log.level=error"}, io.Discard, io.Discard)
	}()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	fetch := func(path string) (string, error) {
		response, err := client.Get("http://" + address + path)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, err := fetch("/-/healthy"); err != nil; _, err = fetch("/-/healthy") {
		<-tick.C
	}
	var body string
	var failed error
	var scrape sync.WaitGroup
	scrape.Go(func() { body, failed = fetch("/metrics") })
	<-looking.Done() // its host is looked up, so the scrape is under way
	stop()
	scrape.Wait()
	if failed != nil || !strings.Contains(body, `reason="out_of_time"`) {
		t.Errorf("the scrape under way: %v\n%.500s", failed, body)
	}
	if code := <-exit; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// goneWriter is a response whose client hangs up while it is written.
type goneWriter struct {
	http.ResponseWriter
	hangUp context.CancelFunc
}

func (w goneWriter) Write([]byte) (int, error) {
	w.hangUp()
	return 0, syscall.EPIPE
}

// TestClientHangsUp: a scraper that gives up must not cause a log line for each metric.
func TestClientHangsUp(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		e := startExporterOn(t, network, bootstrapOnly(t, network).Config())
		var log bytes.Buffer
		e.logger = slog.New(slog.NewTextHandler(&log, nil))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil)
		e.handler().ServeHTTP(goneWriter{httptest.NewRecorder(), cancel}, request)
		if ctx.Err() == nil || log.Len() > 0 {
			t.Errorf("%v\n%.500s", ctx.Err(), &log)
		}
	})
}
