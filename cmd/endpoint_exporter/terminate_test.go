//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
)

// TestTerminationDuringIdleRound sends SIGTERM to the process while it keeps connections silent for minutes: it ends at
// once with exit code 0 and leaves no connection open. It runs a process on the kernel's sockets.
func TestTerminationDuringIdleRound(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[6:]})
	// The first round starts within the interval.
	config := configFile(t, l.Config()+"idle: {enabled: true, steps: [2m, 3m, 4m], interval: 1s}\n")
	address := freeAddress(t)

	// TestMain has put the command on the path.
	name, err := exec.LookPath("endpoint_exporter")
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(context.WithoutCancel(t.Context()), name, "--config.file="+config, "--web.listen-address="+address)
	var output bytes.Buffer
	process.Stdout, process.Stderr = &output, &output
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	running := true
	defer func() {
		if running {
			_ = process.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("output:\n%s", &output)
		}
	}()

	// One connection per step and port.
	const silent = 6
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for tries := 0; established(t, l) < silent; tries++ {
		if tries == 900 {
			t.Fatalf("%d connections are open, want %d", established(t, l), silent)
		}
		// A scrape has closed its own connections when the response is complete.
		if response, err := client.Get("http://" + address + "/metrics"); err == nil {
			response.Body.Close()
		}
		<-tick.C
	}
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		running = false
		if err != nil {
			t.Errorf("the process ended with %v, want exit code 0", err)
		}
	case <-time.After(waitLimit):
		t.Errorf("the process still runs %v after SIGTERM", waitLimit)
	}
	if n := established(t, l); n > 0 {
		t.Errorf("%d connections are open after the process ended", n)
	}
	if !strings.Contains(output.String(), "shutting down") {
		t.Error("the log does not contain the shutdown")
	}
}

// established counts the connections to a lab's ports that are open on the clients' side.
func established(t *testing.T, l *lab.Lab) (n int) {
	t.Helper()
	table, err := os.ReadFile("/proc/thread-self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // number, local, remote, state (01: established)
		if len(fields) < 4 || fields[3] != "01" {
			continue
		}
		for _, nominal := range []uint16{lab.NominalDevice, lab.NominalWeb} {
			if strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", l.Port(nominal))) {
				n++
			}
		}
	}
	return n
}
