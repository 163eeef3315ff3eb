package monitoring

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// Server is a running program with a web interface.
type Server struct {
	Address string // HOST:PORT
}

// URL is the address of a page.
func (s *Server) URL(path string) string { return "http://" + s.Address + path }

// readyTimeout bounds the time that a program takes to be ready on a busy machine.
const readyTimeout = 2 * time.Minute

// start runs a program in a new directory with these files until the test ends, and waits until it is ready.
func start(tb testing.TB, name string, files map[string][]byte, args ...string) *Server {
	tb.Helper()
	dir := tb.TempDir()
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	// The test's end stops it by a signal, before the test's context would kill it.
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), name, append(args, "--web.listen-address=127.0.0.1:0")...)
	command.Dir = dir
	s := &Server{Address: program.Start(tb, command)}
	// It listens before it has read all that it needs.
	s.await(tb, readyTimeout, "/-/ready", name+" is ready", func(response *http.Response) error {
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
	return s
}

// await requests a page until accept returns nil; what says in words what is awaited.
func (s *Server) await(tb testing.TB, within time.Duration, path, what string, accept func(*http.Response) error) {
	tb.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, s.URL(path), http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	for end := time.After(within); ; {
		response, err := client.Do(request)
		if err == nil {
			err = accept(response)
			_ = response.Body.Close()
		}
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			tb.Fatalf("not in %s: %s: %v", within, what, err)
		}
	}
}
