//go:build realpeers

package alerts

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/monitoring"
)

// Samples that arrive six or nine minutes late, by a long queue or by the clock of a machine that sends them itself,
// are too old for the conditions that page, so that nothing of such a site would: it counts as a site that is not
// heard.
func TestLateSamplesAreAbsence(t *testing.T) {
	const divisor = 60 // minutes are seconds
	example, err := os.ReadFile("alertmanager.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	recorder := monitoring.NewRecorder(t)
	config, err := monitoring.ScaleAlertmanager(example, divisor, recorder.URL())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := monitoring.ScaleRules(text, divisor, nil)
	if err != nil {
		t.Fatal(err)
	}
	serve := func(late time.Duration) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			at := time.Now().Add(-late)
			fmt.Fprintf(w, "endpoint_up{service=\"s\",host=\"h\"} 0 %d\n", at.UnixMilli())
			fmt.Fprintf(w, "endpoint_survey_last_timestamp_seconds %d %d\n", at.Unix(), at.UnixMilli())
		}))
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	stack := monitoring.Start(t, monitoring.Options{
		Targets: []monitoring.Target{
			{Address: serve(0), Labels: labels{"site": "oslo"}},
			{Address: serve(7 * time.Minute / divisor), Labels: labels{"site": "berlin"}},
		},
		Rules: rules, Alertmanager: config, Every: time.Second / 2, Lookback: 5 * time.Minute / divisor,
	})
	stack.Await(t, arrival, "the site whose samples are late is absent", `ALERTS{alertname="EndpointExporterAbsent",alertstate="firing",site="berlin"}`)
	stack.Await(t, arrival, "that site alone", `count(ALERTS{alertname="EndpointExporterAbsent",alertstate="firing"}) == 1`)
}
