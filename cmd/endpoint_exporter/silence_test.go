package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// TestWhatSilenceSurvivesThroughTheWholeExporter measures in the background while the exporter is scraped, behind each
// kind of path that ends silent connections, at a fraction of the real times.
func TestWhatSilenceSurvivesThroughTheWholeExporter(t *testing.T) {
	for name, test := range map[string]struct {
		fault  string
		limit  time.Duration // of the server
		due    map[string]float64
		absent []string
		says   string
	}{
		"a path that survives all":       {due: map[string]float64{"survived": 4}, absent: []string{"lost", "closed"}, says: "survive"},
		"a NAT that forgets in silence":  {fault: "nat_forgets:2s", due: map[string]float64{"survived": 1, "lost": 4}, absent: []string{"closed"}, says: "without a word"},
		"a NAT that answers with a RST":  {fault: "nat_resets:2s", due: map[string]float64{"survived": 1, "lost": 4}, absent: []string{"closed"}, says: "RST"},
		"a server with a limit below":    {limit: 2 * time.Second, due: map[string]float64{"survived": 1}, absent: []string{"lost"}, says: "server"},
		"a NAT that forgets before that": {fault: "nat_forgets:300ms", limit: 2 * time.Second, due: map[string]float64{"lost": 1}, absent: []string{"survived"}, says: "without a word"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[6:], IdleLimit: test.limit})
			if test.fault != "" {
				if err := l.Set("*", test.fault); err != nil {
					t.Fatal(err)
				}
			}
			e := startExporter(t, l.Config()+"idle: {enabled: true, steps: [1s, 4s]}\nsurvey: {min_interval: 0s}\n")
			port := fmt.Sprintf("port=\"%d\"", l.Port(lab.NominalDevice))
			x := eventually(t, e, "endpoint_idle_last_round_timestamp_seconds", `transport="tcp"`, port)
			for bound, due := range test.due {
				if got, ok := x.one("endpoint_idle_"+bound+"_seconds", port); !ok || got != due {
					t.Errorf("%s after %v s (%v), due %v", bound, got, ok, due)
				}
			}
			for _, bound := range test.absent {
				if got := x.of("endpoint_idle_"+bound+"_seconds", port); len(got) != 0 {
					t.Errorf("%v", got)
				}
			}
			if closed, ok := x.one("endpoint_idle_closed_seconds", port); test.limit > 0 && test.fault == "" && (!ok || closed < 2 || closed > 4) {
				t.Errorf("the server's limit is 2 s, got %v (%v)", closed, ok)
			}
			if keepalive, ok := x.one("endpoint_keepalive_seconds"); !ok || keepalive != 540 {
				t.Errorf("keepalive %v (%v)", keepalive, ok)
			}
			if _, page := get(t, e, "GET", "/api/v1/report"); !strings.Contains(page, test.says) {
				t.Errorf("the report does not say %q: %s", test.says, page)
			}
		})
	}
}

// eventually scrapes until a series is there.
func eventually(t *testing.T, e *exporter, name string, labels ...string) exposition {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for range 300 {
		if x := scrape(t, e); len(x.of(name, labels...)) > 0 {
			return x
		}
		<-tick.C
	}
	t.Fatalf("%s%v does not come", name, labels)
	return nil
}
