package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxNotification bounds the message of Alertmanager: one with hundreds of alerts is far smaller.
const maxNotification = 1 << 20

// receivePages replaces a pager: it prints the notifications of Alertmanager until ctx ends.
func receivePages(ctx context.Context, address string, stdout, stderr io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	fmt.Fprintf(stderr, "pages are received at http://%s/\n", listener.Addr())
	if err := serve(ctx, listener, receiver(stdout, time.Now)); err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	return nil
}

// notification is the part of Alertmanager's message that is printed.
type notification struct {
	Receiver string  `json:"receiver"`
	Alerts   []alert `json:"alerts"`
}

type alert struct {
	Status      string            `json:"status"` // firing or resolved
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

const (
	firing   = "firing"
	resolved = "resolved"
)

// receiver prints each notification with its time.
func receiver(out io.Writer, now func() time.Time) http.Handler {
	var printing sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n notification
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxNotification)).Decode(&n); err != nil {
			http.Error(w, "read the notification: "+err.Error(), http.StatusBadRequest)
			return
		}
		printing.Lock()
		defer printing.Unlock()
		fmt.Fprintf(out, "%s  %s", now().Format(time.TimeOnly), n.text())
	})
}

// maxShown is how many alerts of a notification are listed; its first line counts all of them.
const maxShown = 10

// text is one notification with all its alerts: what happened where, the hosts, and the summary and description of
// the first alert that fires, which the others repeat for their hosts.
func (n *notification) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", strings.ToUpper(n.Receiver), cmp.Or(n.common("alertname"), "several alerts"), n.headline())
	fired := n.with(firing)
	if len(fired) > 0 {
		fmt.Fprintf(&b, "    %s\n", fired[0].Annotations["summary"])
	}
	for _, a := range n.Alerts[:min(len(n.Alerts), maxShown)] {
		fmt.Fprintf(&b, "      %s", a.about())
		if a.Status == resolved && len(fired) > 0 {
			b.WriteString(": resolved")
		}
		b.WriteString("\n")
	}
	if more := len(n.Alerts) - maxShown; more > 0 {
		fmt.Fprintf(&b, "      and %d more\n", more)
	}
	if len(fired) > 0 {
		fmt.Fprintf(&b, "    %s\n", fired[0].Annotations["description"])
	}
	return b.String()
}

// headline is the site, if the alerts share one, and how many are firing or resolved.
func (n *notification) headline() string {
	var counts []string
	for _, status := range []string{firing, resolved} {
		if count := len(n.with(status)); count > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", count, status))
		}
	}
	summary := strings.Join(counts, ", ")
	for _, label := range []string{"site", "instance"} {
		if value := n.common(label); value != "" {
			return fmt.Sprintf("%s %s: %s", label, value, summary)
		}
	}
	return summary
}

// with lists the alerts of a status.
func (n *notification) with(status string) []alert {
	return slices.DeleteFunc(slices.Clone(n.Alerts), func(a alert) bool { return a.Status != status })
}

// common is the value of a label that all alerts share, or "".
func (n *notification) common(label string) string {
	value := ""
	for i := range n.Alerts {
		v := n.Alerts[i].Labels[label]
		if i > 0 && v != value {
			return ""
		}
		value = v
	}
	return value
}

// about is what an alert is about within its site: a host, with the path or the DNS server where it names one.
func (a *alert) about() string {
	var parts []string
	for _, label := range []string{"host", "transport", "port", "resolver"} {
		if value := a.Labels[label]; value != "" {
			parts = append(parts, value)
		}
	}
	if len(parts) == 0 {
		return cmp.Or(a.Labels["instance"], a.Labels["alertname"])
	}
	return strings.Join(parts, " ")
}
