//go:build realpeers

package examples

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// settle bounds how long targets may take to be found and scraped; Prometheus discovers every 5 s.
const settle = 3 * time.Minute

// root is the path of the repository.
const root = "../.."

// install writes an example into a directory with the rules, as an operator would, and replaces pairs of old and new
// text.
func install(t *testing.T, name string, replaced ...string) string {
	t.Helper()
	dir := t.TempDir()
	for file, data := range map[string][]byte{
		"prometheus.yml":        []byte(strings.NewReplacer(replaced...).Replace(string(read(t, name)))),
		"endpoint.rules.yml":    read(t, "../../alerts/endpoint.rules.yml"),
		"remote_write_password": []byte("secret"),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yml")
}

func TestPromtoolCheckConfig(t *testing.T) {
	for _, name := range prometheusFiles(t) {
		t.Run(name, func(t *testing.T) {
			args := []string{"check", "config", "--lint-fatal"}
			if len(scrapeConfig(t, name).RemoteWrite) > 0 {
				args = append(args, "--agent")
			}
			checkConfig(t, append(args, install(t, name))...)
		})
	}
}

// checkConfig runs promtool of each supported Prometheus.
func checkConfig(t *testing.T, args ...string) {
	t.Helper()
	for _, release := range program.PrometheusReleases(t, root) {
		if out, err := exec.CommandContext(t.Context(), release.Promtool, args...).CombinedOutput(); err != nil { //nolint:gosec // as found
			t.Errorf("promtool %s: %v\n%s", release.Version, err, out)
		}
	}
}

// TestExporterArguments runs the exporter's own check with the arguments of the Compose and Kubernetes examples.
func TestExporterArguments(t *testing.T) {
	t.Parallel()
	m := kubernetes(t, kubernetesExample)
	config := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(config, []byte(m.config), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"compose":    composed(t)["endpoint_exporter"].Command,
		"kubernetes": m.args,
	} {
		args = slices.Clone(args)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "/etc/endpoint_exporter/config.yml", config)
		}
		if out, err := exec.CommandContext(t.Context(), exporter(t), append(args, "--config.check")...).CombinedOutput(); err != nil {
			t.Errorf("%s: %q: %v\n%s", name, args, err, out)
		}
	}
}

// building guards the build of the exporter.
var building sync.Once

// exporter returns the binary of the exporter, which the tests share.
func exporter(t *testing.T) string {
	t.Helper()
	building.Do(func() { program.Build(t, shared, "../../cmd/endpoint_exporter") })
	return filepath.Join(shared, "program")
}

// scene is a lab and an exporter that watches it.
type scene struct {
	exporter string // the binary
	config   string
	address  string
	hosts    []string
}

// newScene starts both; config makes the exporter's configuration, by default the lab's own.
func newScene(t *testing.T, config ...func(*lab.Lab) string) scene {
	t.Helper()
	l := labtest.Start(t, lab.Options{})
	s := scene{exporter: exporter(t), config: filepath.Join(t.TempDir(), "config.yml")}
	configuration := l.Config()
	for _, make := range config {
		configuration = make(l)
	}
	if err := os.WriteFile(s.config, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, host := range lab.Izuma() {
		s.hosts = append(s.hosts, host.Name)
	}
	s.address = s.start(t, "127.0.0.1:0")
	return s
}

func (s scene) start(t *testing.T, at string) string {
	t.Helper()
	return program.Start(t, exec.Command(s.exporter, "--config.file="+s.config, "--web.listen-address="+at))
}

// target is a target in the API of Prometheus.
type target struct {
	Labels     map[string]string
	ScrapeURL  string `json:"scrapeUrl"`
	Health     string
	LastError  string `json:"lastError"`
	ScrapePool string `json:"scrapePool"`
}

// asked returns the host that a target requests at /probe, and the exporter's address.
func (t target) asked() (host, exporter string) {
	u, err := url.Parse(t.ScrapeURL)
	if err != nil {
		return "", ""
	}
	return u.Query().Get("target"), u.Host
}

// scrape runs each supported Prometheus with a configuration until it has the expected number of targets and all of
// them are up. It returns their addresses, and the targets of the first: those of the others are the same.
func scrape(t *testing.T, config string, want int) (found []target, servers []string) {
	t.Helper()
	for _, release := range program.PrometheusReleases(t, root) {
		servers = append(servers, startPrometheus(t, release, "--config.file="+config, "--storage.tsdb.path="+t.TempDir()))
	}
	for _, at := range servers {
		targets := awaitTargets(t, at, want)
		if found == nil {
			found = targets
		}
		if got, same := scraped(targets), scraped(found); !slices.Equal(got, same) {
			t.Errorf("Prometheus 2 scrapes %q, Prometheus 3 %q", same, got)
		}
	}
	return found, servers
}

// startPrometheus runs a Prometheus until the test ends and returns its address.
func startPrometheus(t *testing.T, release program.Prometheus, args ...string) string {
	t.Helper()
	return program.Start(t, exec.Command(release.Server, append(args, "--web.listen-address=127.0.0.1:0")...)) //nolint:gosec // as found
}

// scraped returns the URLs of targets, sorted.
func scraped(targets []target) []string {
	var urls []string
	for _, t := range targets {
		urls = append(urls, t.ScrapeURL)
	}
	slices.Sort(urls)
	return urls
}

// awaitTargets waits until a Prometheus has the expected number of targets and all of them are up.
func awaitTargets(t *testing.T, at string, want int) (found []target) {
	t.Helper()
	await(t, func() error {
		var answer struct {
			Data struct {
				ActiveTargets []target `json:"activeTargets"`
			}
		}
		if err := ask(t, at, "/api/v1/targets?state=active", &answer); err != nil {
			return err
		}
		found = answer.Data.ActiveTargets
		if len(found) != want {
			return fmt.Errorf("%d targets, not %d: %+v", len(found), want, found)
		}
		for _, f := range found {
			if f.Health != "up" {
				return fmt.Errorf("%s is %s: %s", f.ScrapeURL, f.Health, f.LastError)
			}
		}
		return nil
	})
	return found
}

// await calls try until it returns nil, for at most settle.
func await(t *testing.T, try func() error) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.After(settle)
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("after %s: %v", settle, err)
		}
	}
}

// indent indents the items of a list as the examples do.
func indent(yaml string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(yaml), "\n", "\n  ") + "\n"
}

func ask(t *testing.T, at, path string, into any) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	return json.Unmarshal(body, into)
}

// awaitCount evaluates an expression in each Prometheus until its value is the expected number.
func awaitCount(t *testing.T, servers []string, expression string, want int) {
	t.Helper()
	for _, at := range servers {
		await(t, func() error {
			var answer struct {
				Data struct{ Result []struct{ Value [2]any } }
			}
			if err := ask(t, at, "/api/v1/query?query="+url.QueryEscape(expression), &answer); err != nil {
				return err
			}
			if got := fmt.Sprint(answer.Data.Result); len(answer.Data.Result) != 1 || answer.Data.Result[0].Value[1] != fmt.Sprint(want) {
				return fmt.Errorf("%s is %s, not %d", expression, got, want)
			}
			return nil
		})
	}
}

// quick makes Prometheus scrape often; the examples' own interval is for production.
var quick = []string{"scrape_interval: 30s", "scrape_interval: 5s", "scrape_interval: 2m", "scrape_interval: 5s", "scrape_timeout: 10s", "scrape_timeout: 5s"}

// TestPrometheusDiscovery scrapes the hosts of /sd, each at /probe.
func TestPrometheusDiscovery(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	found, prometheus := scrape(t, install(t, "prometheus-sd.yml", append(quick, "127.0.0.1:15684", s.address)...), len(s.hosts)+1)
	var probed []string
	for _, f := range found {
		if f.ScrapePool == "endpoint" {
			host, _ := f.asked()
			probed = append(probed, host)
			if f.Labels["instance"] != host || f.Labels["site"] != "berlin" {
				t.Errorf("%s is labelled %v", host, f.Labels)
			}
		}
	}
	if slices.Sort(probed); !slices.Equal(probed, slices.Sorted(slices.Values(s.hosts))) {
		t.Errorf("probed %q, configured %q", probed, s.hosts)
	}
	// Every host once, although both jobs see it; the exporter's own metrics from its own job.
	awaitCount(t, prometheus, `count(endpoint_up == 1)`, len(s.hosts))
	awaitCount(t, prometheus, `count(endpoint_exporter_build_info{job="endpoint_exporter"})`, 1)
}

// TestPrometheusStatic scrapes by the examples that list exporters.
func TestPrometheusStatic(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	replaced := append(slices.Clone(quick), "127.0.0.1:9093", program.FreePort(t).String(), // no Alertmanager
		"gateway.berlin.example.net:15684", s.address, "gateway.lyon.example.net:15684", s.address, "127.0.0.1:15684", s.address)
	_, prometheus := scrape(t, install(t, "prometheus-static.yml", replaced...), 2)
	awaitCount(t, prometheus, `count(endpoint_up{site=~"berlin|lyon"} == 1)`, 2*len(s.hosts))
	_, prometheus = scrape(t, install(t, "compose/prometheus.yml", replaced...), 1)
	awaitCount(t, prometheus, `count(endpoint_up == 1)`, len(s.hosts))
}

// TestPrometheusProbe scrapes two endpoints of the exporter and one host that it only allows, the
// latter by plain relabelling and by the operator's Probe.
func TestPrometheusProbe(t *testing.T) {
	t.Parallel()
	const allowed = "tcp-lwm2m.us-east-1.mbedcloud.com"
	var devicePort string
	s := newScene(t, func(l *lab.Lab) string {
		for _, place := range l.Places() {
			if place.Host.Name == allowed && place.Path.Nominal == lab.NominalDevice {
				devicePort = strconv.Itoa(int(place.Address.Port()))
			}
		}
		return strings.ReplaceAll(l.Config(), "host: "+allowed, "host: another.test") +
			"probe: {allow: [" + allowed + ", 127.0.0.0/8], ports: [" + devicePort + "]}\n"
	})
	replaced := append(slices.Clone(quick), "127.0.0.1:15684", s.address, "coap.example.com", allowed, `"5684"`, `"`+devicePort+`"`)
	config := install(t, "prometheus-probe.yml", replaced...)
	operators, err := yaml.Marshal([]any{kubernetesProbe(t).rendered()})
	if err != nil {
		t.Fatal(err)
	}
	replaced = append(replaced, "gateway.berlin.example.net:15684", s.address)
	jobs := strings.NewReplacer(replaced...).Replace(string(operators))
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(text, indent(jobs)...), 0o600); err != nil {
		t.Fatal(err)
	}
	_, prometheus := scrape(t, config, 2+1+1+1)
	awaitCount(t, prometheus, `count(endpoint_up{site="berlin",instance=~"(bootstrap|lwm2m)[.].*"} == 1)`, 2)
	awaitCount(t, prometheus, `count(endpoint_path_up{job=~"endpoint_probe_(device|operator)",service="probe",site="berlin",transport="tcp"} == 1)`, 2)
	awaitCount(t, prometheus, `count(endpoint_exporter_config_last_reload_successful == 1)`, 1)
}

// TestKubernetesLabels scrapes with the target labels that the operator sets for a PodMonitor and
// for a ServiceMonitor, and with the relabelings of these, which the operator writes after its own. Labels `host` and
// `service` of a target do not keep the rules from working if the job honours the labels of the metrics.
func TestKubernetesLabels(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	monitored := func(name string) map[string]any {
		m := kubernetes(t, name)
		relabelings := []map[string]any{{"target_label": "__meta_kubernetes_pod_node_name", "replacement": "node-1"}}
		for _, label := range m.given {
			if label != "job" && label != "instance" {
				relabelings = append(relabelings, map[string]any{"target_label": label, "replacement": "of-the-operator"})
			}
		}
		for _, r := range m.relabelings {
			relabelings = append(relabelings, r.rendered())
		}
		return map[string]any{
			"job_name":        name,
			"static_configs":  []any{map[string]any{"targets": []string{s.address}}},
			"relabel_configs": relabelings,
		}
	}
	rules, err := filepath.Abs("../../alerts/endpoint.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	labelled := func(site string, honor bool) map[string]any {
		return map[string]any{"job_name": site, "honor_labels": honor, "static_configs": []any{
			map[string]any{"targets": []string{s.address}, "labels": map[string]string{"site": site, "host": "mine", "service": "mine"}},
		}}
	}
	text, err := yaml.Marshal(map[string]any{
		"global":     map[string]any{"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "5s"},
		"rule_files": []string{rules},
		"scrape_configs": []any{
			monitored(kubernetesExample), monitored(stackRendering), labelled("kept", true), labelled("renamed", false),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, prometheus := scrape(t, config, 4)
	for _, site := range []string{"node-1", "berlin"} { // of the PodMonitor, of the ServiceMonitor
		awaitCount(t, prometheus, `count(endpoint_up{site="`+site+
			`",namespace="of-the-operator",pod="of-the-operator",service!="of-the-operator",exported_service=""})`, len(s.hosts))
	}
	awaitCount(t, prometheus, `count(endpoint:up:avg5m{site="kept",host=~".+[.]mbedcloud[.]com",service!="mine"} == 1)`, len(s.hosts))
	awaitCount(t, prometheus, `count(endpoint_up{site="renamed",host="mine",service="mine",exported_host=~".+[.]mbedcloud[.]com"})`, len(s.hosts))
}

// TestSharding runs the three exporters of the example.
func TestSharding(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, listens, _ := strings.Cut(s.start(t, "127.0.0.20:0"), ":")
	for _, other := range []string{"127.0.0.21:", "127.0.0.22:"} {
		s.start(t, other+listens)
	}
	found, prometheus := scrape(t, install(t, "prometheus-sharding.yml", append(quick,
		"exporter.lyon.example.net:15684", s.address,
		"exporter-", "127.0.0.2", ".example.net:15684", ":"+listens)...), len(s.hosts)+1+4)
	asked, probed := make(map[string]bool), make(map[string]bool)
	for _, f := range found {
		host, exporter := f.asked()
		switch f.ScrapePool {
		case "endpoint":
			if probed[host] {
				t.Errorf("%s is probed by two", host)
			}
			probed[host], asked[exporter] = true, true
		case "endpoint_half":
			if exporter != s.address || f.Labels["site"] != "lyon" {
				t.Errorf("the other job asks %s", f.ScrapeURL)
			}
		}
	}
	if len(probed) != len(s.hosts) || len(asked) != 3 {
		t.Errorf("%d hosts at %d exporters, not %d at 3", len(probed), len(asked), len(s.hosts))
	}
	awaitCount(t, prometheus, `count(endpoint_exporter_config_last_reload_successful == 1)`, 4)
}

// TestRemoteWrite runs the agent of a site and the Prometheus that it writes to.
func TestRemoteWrite(t *testing.T) {
	t.Parallel()
	var centres []string
	s := newScene(t)
	config := filepath.Join(t.TempDir(), "centre.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, release := range program.PrometheusReleases(t, root) {
		centre := startPrometheus(t, release, "--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.enable-remote-write-receiver")
		agent := install(t, "prometheus-remote-write.yml", append(quick, "127.0.0.1:15684", s.address,
			"https://prometheus.example.net", "http://"+centre, "/etc/prometheus/remote_write_password", "remote_write_password")...)
		startPrometheus(t, release, release.Agent, "--config.file="+agent, "--storage.agent.path="+t.TempDir())
		centres = append(centres, centre)
	}
	awaitCount(t, centres, `count(endpoint_up{site="berlin"} == 1)`, len(s.hosts))
}
