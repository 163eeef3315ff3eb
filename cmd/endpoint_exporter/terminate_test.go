//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// TestTerminationDoesNotWaitForSilence sends SIGTERM to the process while it holds connections that are to be silent for
// minutes: it ends at once, in peace, and leaves none behind.
func TestTerminationDoesNotWaitForSilence(t *testing.T) {
	l := startLab(t, lab.Options{Hosts: lab.Izuma()[6:]})
	// No longer than the interval passes before the first round.
	config := configFile(t, l.Config()+"idle: {enabled: true, steps: [2m, 3m, 4m], interval: 1s}\n")
	address := freeAddress(t)

	// TestMain has put the command on the path.
	name, err := exec.LookPath("endpoint_exporter")
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(context.WithoutCancel(t.Context()), name, "--config.file="+config, "--web.listen-address="+address)
	var said bytes.Buffer
	process.Stdout, process.Stderr = &said, &said
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
			t.Logf("it said:\n%s", &said)
		}
	}()

	// A connection of each step to each of two ports.
	const silent = 6
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for tries := 0; established(t, l) < silent; tries++ {
		if tries == 900 {
			t.Fatalf("%d connections are open, want %d", established(t, l), silent)
		}
		// A scrape has closed its own connections when it is answered.
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
			t.Errorf("it ended with %v, want exit code 0", err)
		}
	case <-time.After(20 * time.Second): // on a busy machine
		t.Error("it goes on 20 s after SIGTERM")
	}
	if n := established(t, l); n > 0 {
		t.Errorf("%d connections are open after its end", n)
	}
	if !strings.Contains(said.String(), "shutting down") {
		t.Error("it does not say that it shuts down")
	}
}

// established counts the connections to a lab's ports that are open on the clients' side.
func established(t *testing.T, l *lab.Lab) (n int) {
	t.Helper()
	table, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(os.Getpid()), "net", "tcp"))
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
