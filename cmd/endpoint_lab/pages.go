package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// maxNotification bounds the message of Alertmanager: one with hundreds of alerts is far smaller.
const maxNotification = 1 << 20

// pages is the command that replaces a pager: it prints the notifications of Alertmanager.
type pages struct{ listen string }

func (p *pages) flags(cmd *kingpin.CmdClause) {
	cmd.Flag("listen", "Address to receive Alertmanager's webhooks on.").Default("127.0.0.1:9095").StringVar(&p.listen)
}

// run receives until ctx ends.
func (p *pages) run(ctx context.Context, stdout, stderr io.Writer) int {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.listen)
	if err != nil {
		fmt.Fprintf(stderr, "endpoint_lab: pages: %v\n", err)
		return exitFailed
	}
	fmt.Fprintf(stderr, "pages are received at http://%s/\n", listener.Addr())
	if err := serve(ctx, listener, receiver(stdout, time.Now)); err != nil {
		fmt.Fprintf(stderr, "endpoint_lab: pages: %v\n", err)
		return exitFailed
	}
	return exitOK
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
	var first *alert
	for i := range n.Alerts {
		if n.Alerts[i].Status == firing {
			first = &n.Alerts[i]
			break
		}
	}
	if first != nil {
		fmt.Fprintf(&b, "    %s\n", first.Annotations["summary"])
	}
	mixed := n.count(firing) > 0 && n.count(resolved) > 0
	for i := range n.Alerts {
		if i == maxShown {
			fmt.Fprintf(&b, "      and %d more\n", len(n.Alerts)-maxShown)
			break
		}
		fmt.Fprintf(&b, "      %s", n.Alerts[i].about())
		if mixed && n.Alerts[i].Status == resolved {
			b.WriteString(": resolved")
		}
		b.WriteString("\n")
	}
	if first != nil {
		fmt.Fprintf(&b, "    %s\n", first.Annotations["description"])
	}
	return b.String()
}

// headline is the site, if the alerts share one, and how many are firing or resolved.
func (n *notification) headline() string {
	var counts []string
	for _, status := range []string{firing, resolved} {
		if count := n.count(status); count > 0 {
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

func (n *notification) count(status string) (count int) {
	for i := range n.Alerts {
		if n.Alerts[i].Status == status {
			count++
		}
	}
	return count
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
