package main

import (
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

// maxNotification bounds what Alertmanager may post: a page of hundreds of alerts is far smaller.
const maxNotification = 1 << 20

// pages is the command that stands for the pager: it prints what Alertmanager would page somebody with.
type pages struct{ listen string }

func (p *pages) flags(cmd *kingpin.CmdClause) {
	cmd.Flag("listen", "Address to receive Alertmanager's webhooks on.").Default("127.0.0.1:9095").StringVar(&p.listen)
}

// run receives until ctx ends.
func (p *pages) run(ctx context.Context, stdout, stderr io.Writer) int {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.listen)
	if err != nil {
		fmt.Fprintf(stderr, "endpoint_lab: pages: %v\n", err)
		return exitWrong
	}
	fmt.Fprintf(stderr, "pages are received at http://%s/\n", listener.Addr())
	if err := serve(ctx, listener, receiver(stdout, time.Now)); err != nil {
		fmt.Fprintf(stderr, "endpoint_lab: pages: %v\n", err)
		return exitWrong
	}
	return exitOK
}

// notification is what Alertmanager posts, as far as it is printed.
type notification struct {
	Receiver string `json:"receiver"`
	Alerts   []struct {
		Status      string            `json:"status"` // firing or resolved
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
}

// receiver prints each notification: one paragraph an alert, with the receiver and the time.
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
		for _, alert := range n.Alerts {
			fmt.Fprintf(out, "%s  %s  %s  %s\n    %s\n    %s\n", now().Format(time.TimeOnly), strings.ToUpper(n.Receiver), alert.Status,
				alert.Labels["alertname"], alert.Annotations["summary"], alert.Annotations["description"])
		}
	})
}
