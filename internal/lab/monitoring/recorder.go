package monitoring

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Notification is one message of Alertmanager to a receiver: one group of alerts.
type Notification struct {
	Receiver    string            `json:"receiver"`
	Status      string            `json:"status"` // Firing while any of Alerts is
	GroupLabels map[string]string `json:"groupLabels"`
	Alerts      []Alert           `json:"alerts"`
}

// Alert is one alert of a notification.
type Alert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// What an alert or a notification can be.
const (
	Firing   = "firing"
	Resolved = "resolved"
)

// Is reports whether the alert has all of these labels; the alert's name is one of them, "alertname".
func (a Alert) Is(labels map[string]string) bool {
	for name, value := range labels {
		if a.Labels[name] != value {
			return false
		}
	}
	return true
}

// Find is the notification's alert of that status with these labels.
func (n Notification) Find(status string, labels map[string]string) (Alert, bool) {
	for _, a := range n.Alerts {
		if a.Status == status && a.Is(labels) {
			return a, true
		}
	}
	return Alert{}, false
}

// Names lists the alerts of the notification by name and status, each once, sorted.
func (n Notification) Names() []string {
	names := make(map[string]bool)
	for _, a := range n.Alerts {
		names[a.Labels["alertname"]+" "+a.Status] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Recorder is a webhook that keeps what it is told.
type Recorder struct {
	server *httptest.Server

	mu      sync.Mutex
	all     []Notification
	changed chan struct{} // closed at the next notification
}

// maxBody bounds a notification.
const maxBody = 4 << 20

// NewRecorder listens until the test ends.
func NewRecorder(tb testing.TB) *Recorder {
	r := &Recorder{changed: make(chan struct{})}
	r.server = httptest.NewServer(r)
	tb.Cleanup(r.server.Close)
	return r
}

// URL is where to send notifications.
func (r *Recorder) URL() string { return r.server.URL }

// ServeHTTP takes one notification.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var n Notification
	if err := json.NewDecoder(http.MaxBytesReader(w, request.Body, maxBody)).Decode(&n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, n)
	close(r.changed)
	r.changed = make(chan struct{})
}

// All lists what has come so far, in order.
func (r *Recorder) All() []Notification {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// Await gives the first notification, of those that have come and those still to come, that match takes; what says in
// words what is awaited.
func (r *Recorder) Await(tb testing.TB, within time.Duration, what string, match func(Notification) bool) Notification {
	tb.Helper()
	end := time.After(within)
	for {
		r.mu.Lock()
		all, changed := r.all, r.changed
		r.mu.Unlock()
		if i := slices.IndexFunc(all, match); i >= 0 {
			return all[i]
		}
		select {
		case <-changed:
		case <-end:
			for _, n := range r.All() {
				tb.Logf("came: %s %s %v %q", n.Receiver, n.Status, n.GroupLabels, n.Names())
			}
			tb.Fatalf("not in %s: %s", within, what)
		}
	}
}
