package monitoring

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Server is a running program with a web interface.
type Server struct {
	Address string // HOST:PORT
}

// URL is the address of a page.
func (s *Server) URL(path string) string { return "http://" + s.Address + path }

// program is what to run, in a folder of its own.
type program struct {
	name  string
	files map[string][]byte
	args  []string
}

const (
	// readyTimeout bounds the time that a program takes to be ready on a busy machine.
	readyTimeout = 30 * time.Second
	// endTimeout is how long a program may take to end after it was asked to.
	endTimeout = 10 * time.Second
	// startTries is how often a program is started before it counts as failed: somebody else may take its port between
	// our look and its own.
	startTries = 3
)

// start runs the program until the test ends, and waits until it is ready.
func start(tb testing.TB, p program) *Server {
	tb.Helper()
	var err error
	for range startTries {
		var s *Server
		if s, err = p.run(tb); err == nil {
			return s
		}
	}
	tb.Fatalf("start %s: %v", p.name, err)
	return nil
}

func (p program) run(tb testing.TB) (*Server, error) {
	tb.Helper()
	dir := tb.TempDir()
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	said, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(p.name, append(p.args, "--web.listen-address="+address)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is ended by a signal, or has said why in its log
		close(ended)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(endTimeout):
			_ = cmd.Process.Kill()
			<-ended
		}
		if tb.Failed() {
			tb.Logf("%s said:\n%s", p.name, logOf(said))
		}
	})
	s := &Server{Address: address}
	if err := s.awaitReady(ended); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, logOf(said))
	}
	return s, nil
}

// logOf is the end of what a program said.
func logOf(f *os.File) []byte {
	const most = 8 << 10
	b, err := os.ReadFile(f.Name())
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-most):]
}

func (s *Server) awaitReady(ended <-chan struct{}) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(readyTimeout)
	for {
		select {
		case <-ended:
			return fmt.Errorf("it ended before it was ready")
		case <-end:
			return fmt.Errorf("not ready in %s", readyTimeout)
		case <-tick.C:
			if response, err := client.Get(s.URL("/-/ready")); err == nil {
				_ = response.Body.Close()
				if response.StatusCode == http.StatusOK {
					return nil
				}
			}
		}
	}
}

// freeAddress is a port of 127.0.0.1 that is free at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
