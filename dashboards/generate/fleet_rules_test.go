//go:build fleet

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

const (
	rulesWarmUp = 5 * time.Minute  // the first evaluations read blocks that are not in memory
	rulesWindow = 20 * time.Minute // a multiple of the intervals of all groups
)

// BenchmarkRules measures the processor time of a Prometheus that evaluates all rules every minute over a fleet of
// 500 sites, in real time: about half an hour. Nothing is scraped: the samples until after the end are in the store. It
// has a day of all series and a week of those that the longest windows read. The hourly group is evaluated three times
// an hour, over the week and not 30 days.
//
//	go test -tags fleet -run '^$' -bench Rules -benchtime 1x -timeout 0 -v ./dashboards/generate
func BenchmarkRules(b *testing.B) {
	const week = 7 * 24 * time.Hour
	f := newFleet(*fleetSites, week, time.Now().Add(rulesWarmUp+rulesWindow+15*time.Minute), *fleetSick)
	now := func() int { return f.samples - int(time.Until(f.end)/scrapeInterval) }
	begun := time.Now()
	dir := b.TempDir()
	all := slices.Concat(f.exposedLong(), f.recordedLong())
	written := now() + int(3*time.Minute/scrapeInterval) // nothing is older than the blocks when the rules begin
	if err := f.write(filepath.Join(dir, "data"), all, written); err != nil {
		b.Fatal(err)
	}
	if err := f.writeLog(filepath.Join(dir, "data"), all, written); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d sites: written in %s", len(f.sites), time.Since(begun).Round(time.Second))
	text, err := os.ReadFile("../../alerts/endpoint.rules.yml")
	if err != nil {
		b.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^    interval: 1h$`).ReplaceAll(text, []byte("    interval: 20m"))
	for name, content := range map[string]string{
		"rules.yml": string(text), "prometheus.yml": "global: {evaluation_interval: 1m}\nrule_files: [rules.yml]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	<-time.After(time.Until(f.end.Add(time.Duration(written-f.samples) * scrapeInterval)))
	command := exec.Command("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0",
		"--storage.tsdb.min-block-duration=6h", "--storage.tsdb.max-block-duration=6h", "--storage.tsdb.retention.time=10y")
	command.Dir = dir
	address := program.Start(b, command)
	awaitReady(b, address)
	for b.Loop() {
		<-time.After(rulesWarmUp)
		before := processorTime(b, command.Process.Pid)
		<-time.After(rulesWindow)
		used := processorTime(b, command.Process.Pid) - before
		b.ReportMetric(used.Seconds()/rulesWindow.Seconds(), "cores")
	}
	var answer struct {
		Data struct {
			Groups []struct {
				Name           string
				EvaluationTime float64
				LastEvaluation time.Time
				Rules          []struct{ Name, LastError string }
			}
		}
	}
	response, err := http.Get("http://" + address + "/api/v1/rules")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		b.Fatal(err)
	}
	for _, g := range answer.Data.Groups {
		b.Logf("%s: %.2f s at %s", g.Name, g.EvaluationTime, g.LastEvaluation.Format(time.TimeOnly))
		if time.Since(g.LastEvaluation) > rulesWindow {
			b.Errorf("%s has not been evaluated", g.Name)
		}
		for _, r := range g.Rules {
			if r.LastError != "" {
				b.Errorf("%s: %s", r.Name, r.LastError)
			}
		}
	}
	for _, query := range []string{`count by (fault) (endpoint:fault)`, `count by (alertname) (ALERTS{alertstate="firing"})`, `count({__name__=~"endpoint:.+"})`} {
		b.Logf("%s: %s", query, get(b, address, "query", url.Values{"query": {query}}))
	}
}

// longWindows are the series that rules read over more than a day.
var longWindows = []string{"endpoint_up", "endpoint_path_up"}

// exposedLong gives every series of the exporters, of which only longWindows are older than a day.
func (f *fleet) exposedLong() []series {
	day := f.samples - int(24*time.Hour/scrapeInterval)
	all := f.exposed()
	for i, s := range all {
		name := s.labels.Get(model.MetricNameLabel)
		if slices.Contains(longWindows, name) {
			continue
		}
		var kept []part
		for _, p := range s.parts {
			if p.to > day {
				from := max(p.from, day)
				p.value, p.from = p.value+p.slope*float64(from-p.from), from
				kept = append(kept, p)
			}
		}
		all[i].parts = kept
	}
	return slices.DeleteFunc(all, func(s series) bool {
		return len(s.parts) == 0 || strings.HasPrefix(s.labels.Get(model.MetricNameLabel), "endpoint:")
	})
}

// recordedLong gives the recorded series that rules read over many hours, until the rules begin.
func (f *fleet) recordedLong() []series {
	var out []series
	until := f.samples - int((rulesWarmUp+rulesWindow+15*time.Minute)/scrapeInterval)
	record := func(name string, over, every time.Duration, value float64, of ...string) {
		out = append(out, series{
			labels: labels.FromStrings(append([]string{model.MetricNameLabel, name}, of...)...), every: int(every / scrapeInterval),
			parts: []part{{from: max(0, until-int(over/scrapeInterval)), to: until, value: value}},
		})
	}
	const day = 24 * time.Hour
	for _, s := range f.sites {
		record("endpoint:site:heard", day, time.Minute, 1, s.labels[2:4]...)
		for _, h := range catalogue {
			host := fmt.Sprintf("%s.us-east-1.mbedcloud.com", h.service)
			record("endpoint:watched", day, 4*time.Minute, 1, append(s.labels[:6:6], "host", host)...)
			record("endpoint:up:hourly", 7*day, time.Hour, 1, append(s.labels[:6:6], "service", h.service, "host", host)...)
			for _, p := range h.paths {
				path := append(s.labels[:6:6], "service", h.service, "host", host, "transport", p[0], "port", p[1])
				record("endpoint:path_up:hourly", 7*day, time.Hour, 1, path...)
				record("endpoint:handshake_seconds:median30m", day, 5*time.Minute, 0.07, path...)
				if h.device {
					record("endpoint:path_proved", 7*day, 4*time.Minute, 0, path...)
				}
			}
		}
	}
	return out
}
