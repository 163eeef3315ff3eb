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

// arrival bounds the wait for a state of the servers on a machine under load.
const arrival = 3 * time.Minute

// TestLateSamples tests that samples that arrive six or nine minutes late, because of a long queue or the clock of a
// machine that pushes them, count as silence: they are too old for the conditions that page.
func TestLateSamples(t *testing.T) {
	t.Parallel()
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
	stack.Await(t, arrival, "the site whose samples are late is silent", `ALERTS{alertname="EndpointSiteSilent",alertstate="firing",site="berlin"}`)
	stack.Await(t, arrival, "only that site", `count(ALERTS{alertname="EndpointSiteSilent",alertstate="firing"}) == 1`)
}
