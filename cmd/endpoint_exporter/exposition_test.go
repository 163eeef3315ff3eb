package main

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// inMemory runs a test in a synctest bubble with a network in memory: time passes only while everything waits, so
// that silences and timeouts take no time. [labtest.Start] and [startExporterOn] take the network. There are no
// subtests in a bubble.
func inMemory(t *testing.T, test func(t *testing.T, network *memnet.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &memnet.Network{Delay: time.Millisecond}) })
}

// configFile writes a configuration for the test.
func configFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ownLoopback is a random loopback address, which no other program is likely to use: a port that is free there stays
// free.
func ownLoopback() string {
	return netip.AddrFrom4([4]byte{127, byte(64 + rand.IntN(190)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))}).String()
}

// freeAddress is an address on which nothing listens.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(ownLoopback(), "0"))
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// startExporter runs the whole exporter, without a listener, on the kernel's sockets.
func startExporter(t testing.TB, config string, change ...func(*serve)) *exporter {
	t.Helper()
	flags := &serve{common: &common{configFile: configFile(t, config)}, telemetryPath: "/metrics", addresses: true}
	for _, c := range change {
		c(flags)
	}
	e, err := newExporter(flags, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// startExporterOn runs the whole exporter, without a listener, with its sockets on a network in memory.
func startExporterOn(t testing.TB, network *memnet.Network, config string, change ...func(*serve)) *exporter {
	t.Helper()
	return startExporter(t, config, append(change, func(s *serve) { s.dial = network.Dial })...)
}

// get sends a request to the exporter's handler.
func get(t testing.TB, e *exporter, method, url string, header ...string) (code int, body string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, url, nil)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	e.handler().ServeHTTP(recorder, request)
	answer := recorder.Result()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// exposition holds the values of a scrape by series, written as `name{label="value",…}` with the labels in order of
// their names.
type exposition map[string]float64

func scrape(t testing.TB, e *exporter) exposition {
	t.Helper()
	code, body := get(t, e, http.MethodGet, "/metrics", timeoutHeader, "10")
	if code != http.StatusOK {
		t.Fatalf("scrape: %d %s", code, body)
	}
	return parseExposition(t, body)
}

func parseExposition(t testing.TB, body string) exposition {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("exposition: %v\n%s", err, body)
	}
	out := make(exposition)
	for name, family := range families {
		for _, m := range family.Metric {
			out[series(name, m)] = valueOf(m)
		}
	}
	return out
}

func series(name string, m *dto.Metric) string {
	var labels []string
	for _, l := range m.Label {
		labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	slices.Sort(labels)
	return name + "{" + strings.Join(labels, ",") + "}"
}

func valueOf(m *dto.Metric) float64 {
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	}
	return m.GetUntyped().GetValue()
}

// of selects the series of one metric that have all given labels, each written as `name="value"`.
func (x exposition) of(name string, labels ...string) exposition {
	out := make(exposition)
	for key, value := range x {
		metric, rest, _ := strings.Cut(key, "{")
		if metric != name {
			continue
		}
		has := func(label string) bool {
			return strings.Contains("{"+rest, "{"+label) || strings.Contains(rest, ","+label)
		}
		if !slices.ContainsFunc(labels, func(l string) bool { return !has(l) }) {
			out[key] = value
		}
	}
	return out
}

// one returns the value of the only series that of selects; ok is false unless there is exactly one.
func (x exposition) one(name string, labels ...string) (value float64, ok bool) {
	found := x.of(name, labels...)
	for _, v := range found {
		value = v
	}
	return value, len(found) == 1
}
