//go:build realpeers

package alerts

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/monitoring"
)

// TestIncidents counts notifications in two steps. promtool evaluates the rules over hours of samples of many sites and
// gives the alerts that fire in each minute. A real Alertmanager with the example's routes, its times divided, gets
// them at that pace.
//
// -incidents counts all scenarios, for docs/alerts.md; -incidents.rules and -incidents.routes do so for other files.
var (
	allIncidents   = flag.Bool("incidents", false, "count the notifications of all incidents, at 40 and at 500 sites")
	incidentRules  = flag.String("incidents.rules", rulesFile, "the rules")
	incidentRoutes = flag.String("incidents.routes", "alertmanager.example.yml", "the configuration of Alertmanager")
	incidentSpeed  = flag.Int("incidents.speed", 1200, "how much faster than real time Alertmanager gets the alerts")
)

// groupWait is the shortest group_wait of the example's routes.
const groupWait = 30 * time.Second

type labels = map[string]string

// incident is what happens at a fleet: down gives, for each site, the minutes in which its hosts are not reached.
type incident struct {
	name    string
	sites   int
	minutes int
	down    func(site int) (from, until int) // until 0: never down
	notices int                              // notifications at most
}

// hosts is how many hosts are down when the site is: one in a large fleet, so that promtool takes minutes.
func (in incident) hosts() int {
	if in.sites > 100 {
		return 1
	}
	return 3
}

func incidents(sites int) []incident {
	const begin, end = 30, 120
	first := func(n int) func(int) (int, int) {
		return func(site int) (int, int) {
			if site < n {
				return begin, end
			}
			return 0, 0
		}
	}
	return []incident{
		{"one site", sites, 200, first(1), 2},
		{"2 sites", sites, 200, first(2), 3},
		{"3 sites", sites, 200, first(3), 3},
		{"4 sites", sites, 200, first(4), 3},
		{"5 sites", sites, 200, first(5), 3},
		{"20 sites", sites, 200, first(20), 3},
		{"5 % of the sites", sites, 200, first(sites / 20), 3},
		{"20 % of the sites", sites, 200, first(sites / 5), 3},
		{"half of the sites", sites, 200, first(sites / 2), 3},
		{"all sites", sites, 200, first(sites), 3},
		{"one more site each minute, 20 sites", sites, 240, func(site int) (int, int) {
			if site < 20 {
				return begin + site, end + 40
			}
			return 0, 0
		}, 3},
		{"all sites, one recovers each minute", sites, 300, func(site int) (int, int) { return begin, 60 + min(site, 120) }, 3},
		{"all sites, 45 % do not recover", sites, 360, func(site int) (int, int) {
			if site*100 < sites*45 {
				return begin, 300
			}
			return begin, 60
		}, 3},
	}
}

func TestIncidents(t *testing.T) {
	t.Parallel()
	all := []incident{incidents(12)[3]}
	if *allIncidents {
		all = append(incidents(40), incidents(500)...)
	}
	for _, in := range all {
		t.Run(fmt.Sprintf("%d sites/%s", in.sites, in.name), func(t *testing.T) {
			t.Parallel()
			firing := timeline(t, in)
			sent := replay(t, firing)
			pages := 0
			for _, n := range sent {
				if n.Receiver == "page" {
					pages++
				}
			}
			t.Logf("%d notifications, %d of them pages", len(sent), pages)
			for _, n := range sent[:min(len(sent), 6)] {
				t.Logf("%s %s %v, %d alerts", n.Receiver, n.Status, n.GroupLabels, len(n.Alerts))
			}
			if *incidentRules == rulesFile && (pages < 2 || len(sent) > in.notices) {
				t.Errorf("%d notifications, %d of them pages; want at most %d, and an incident that begins and ends", len(sent), pages, in.notices)
			}
		})
	}
}

// timeline evaluates the rules with promtool and returns the labels of the alerts that fire in each minute.
func timeline(t *testing.T, in incident) []map[string]labels {
	t.Helper()
	rules, err := filepath.Abs(*incidentRules)
	if err != nil {
		t.Fatal(err)
	}
	type series struct{ Series, Values string }
	type sample struct {
		Labels string
		Value  float64
	}
	type expectation struct {
		EvalTime string   `yaml:"eval_time"`
		Expr     string   `yaml:"expr"`
		Samples  []sample `yaml:"exp_samples"`
	}
	var given []series
	for site := range in.sites {
		name := fmt.Sprintf("s%03d", site)
		target := fmt.Sprintf(`job="endpoint",instance="%s:15684",site="%s"`, name, name)
		values := fmt.Sprintf("1x%d", in.minutes)
		if from, until := in.down(site); until > 0 {
			values = fmt.Sprintf("1x%d 0x%d 1x%d", from-1, until-from-1, in.minutes-until)
		}
		for host := range in.hosts() {
			given = append(given, series{fmt.Sprintf(`endpoint_up{%s,service="s%d",host="h%d"}`, target, host, host), values})
		}
		given = append(given, series{fmt.Sprintf(`endpoint_survey_last_timestamp_seconds{%s}`, target), fmt.Sprintf("0+60x%d", in.minutes)})
	}
	var asked []expectation
	for minute := range in.minutes {
		// The expectation is never met, so that promtool prints the series.
		asked = append(asked, expectation{fmt.Sprintf("%dm", minute), `ALERTS{alertstate="firing"} or vector(0)`, []sample{{`{none="x"}`, 0}}})
	}
	var order []string
	text, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^  - name: (\w+)$`).FindAllSubmatch(text, -1) {
		order = append(order, string(m[1]))
	}
	file, err := yaml.Marshal(map[string]any{
		"rule_files": []string{rules}, "evaluation_interval": "1m", "group_eval_order": order,
		"tests": []any{map[string]any{"interval": "1m", "input_series": given, "promql_expr_test": asked}},
	})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "test.yml")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "promtool", "test", "rules", name).CombinedOutput()
	if err == nil {
		t.Fatalf("promtool met an expectation that cannot be met:\n%s", out)
	}
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	var minutes []map[string]labels
	for _, m := range regexp.MustCompile(`(?m)^\s+got: (.*)$`).FindAllSubmatch(out, -1) {
		firing := make(map[string]labels)
		for _, one := range regexp.MustCompile(`\{[^}]*alertname=[^}]*\}`).FindAllString(string(m[1]), -1) {
			alert := make(labels)
			for _, l := range label.FindAllStringSubmatch(one, -1) {
				if l[1] != "__name__" && l[1] != "alertstate" {
					alert[l[1]] = l[2]
				}
			}
			firing[one] = alert
		}
		minutes = append(minutes, firing)
	}
	if len(minutes) != in.minutes {
		t.Fatalf("promtool answered for %d minutes of %d:\n%.2000s", len(minutes), in.minutes, out)
	}
	return minutes
}

// replay gives the alerts to an Alertmanager, minute by minute, and returns its notifications.
func replay(t *testing.T, minutes []map[string]labels) []monitoring.Notification {
	t.Helper()
	routes, err := os.ReadFile(*incidentRoutes)
	if err != nil {
		t.Fatal(err)
	}
	recorder := monitoring.NewRecorder(t)
	config, err := monitoring.ScaleAlertmanager(routes, *incidentSpeed, recorder.URL())
	if err != nil {
		t.Fatal(err)
	}
	server := monitoring.StartAlertmanager(t, config)
	tick := time.NewTicker(time.Minute / time.Duration(*incidentSpeed))
	defer tick.Stop()
	firing := make(map[string]labels)
	due, late := time.Now(), time.Duration(0)
	for _, now := range minutes {
		var begun, over []labels
		for key, alert := range now {
			if _, ok := firing[key]; !ok {
				begun = append(begun, alert)
			}
		}
		for key, alert := range firing {
			if _, ok := now[key]; !ok {
				over = append(over, alert)
			}
		}
		firing = now
		post(t, server, time.Now().Add(time.Hour), begun...)
		post(t, server, time.Now(), over...)
		late = max(late, time.Since(due)*time.Duration(*incidentSpeed))
		due = <-tick.C
	}
	t.Logf("the alerts of a minute arrive at most %s late", late)
	if *allIncidents && late > groupWait {
		t.Errorf("the alerts of a minute arrive %s late, and Alertmanager waits %s for them: lower -incidents.speed", late, groupWait)
	}
	// The last group interval of a ticket, and time for a machine under load.
	last := labels{"alertname": "EndpointLast", "severity": "warning", "scope": "fleet"}
	for range 2 {
		post(t, server, time.Now().Add(time.Hour), last)
		recorder.Await(t, 3*time.Minute, "the last notification", func(n monitoring.Notification) bool {
			_, ok := n.Find(monitoring.Firing, last)
			return ok
		})
		last = labels{"alertname": "EndpointVeryLast", "severity": "warning", "scope": "fleet"}
	}
	return slices.DeleteFunc(recorder.All(), func(n monitoring.Notification) bool { return strings.HasSuffix(n.GroupLabels["alertname"], "Last") })
}

// post sends alerts that end at this time to Alertmanager, as Prometheus does; those that have ended are resolved.
func post(t *testing.T, s *monitoring.Server, end time.Time, alerts ...labels) {
	t.Helper()
	if len(alerts) == 0 {
		return
	}
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
