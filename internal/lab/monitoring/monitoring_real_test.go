//go:build realpeers

package monitoring

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const someRules = `groups:
  - name: example
    rules:
      - alert: Down
        expr: max_over_time(healthy[2m]) == 0
        for: 2m
        labels: {severity: critical}
        annotations: {description: "{{ $labels.site }}: {{ with query ` + "`count_over_time(healthy[2m])`" + ` }}seen{{ end }}"}
`

const someRoutes = `route: {receiver: page, group_by: [alertname], group_wait: 10s, group_interval: 1m}
receivers: [{name: page, webhook_configs: [{url: "http://127.0.0.1:1"}]}]
`

// A sick exporter pages within seconds, and its recovery is said too.
func TestPageAndRecovery(t *testing.T) {
	var healthy atomic.Bool
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := 0
		if healthy.Load() {
			n = 1
		}
		fmt.Fprintf(w, "healthy %d\n", n)
	}))
	t.Cleanup(exporter.Close)
	recorder := NewRecorder(t)
	rules, err := ScaleRules([]byte(someRules), 40, nil)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := ScaleAlertmanager([]byte(someRoutes), 40, recorder.URL())
	if err != nil {
		t.Fatal(err)
	}
	Start(t, Options{
		Targets: []Target{{strings.TrimPrefix(exporter.URL, "http://"), map[string]string{"site": `a "b"`}}},
		Rules:   rules, Alertmanager: routes, Every: 500 * time.Millisecond, Lookback: 5 * time.Second,
	})
	down := map[string]string{"alertname": "Down", "job": "endpoint", "site": `a "b"`}
	page := recorder.Await(t, 3*time.Minute, "the page", func(n Notification) bool {
		_, ok := n.Find(Firing, down)
		return ok
	})
	if a, _ := page.Find(Firing, down); page.Receiver != "page" || a.Annotations["description"] != `a "b": seen` {
		t.Errorf("%+v", page)
	}
	healthy.Store(true)
	recorder.Await(t, 3*time.Minute, "its end", func(n Notification) bool {
		_, ok := n.Find(Resolved, down)
		return ok
	})
}
