//go:build (realpeers || benchpeers) && linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output collects the output of a program, for the log of a failed test.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startPeer runs a server until the test ends and waits until ready returns true.
func startPeer(tb testing.TB, ready func() bool, name string, args ...string) {
	tb.Helper()
	var said output
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), name, args...)
	command.Stdout, command.Stderr = &said, &said
	// A server that is given an end of file for its input, as s_server is, ends every session.
	stdin, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { stdin.Close() })
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it starts itself is stopped with it
	if err := command.Start(); err != nil {
		tb.Fatalf("start %s: %v", name, err)
	}
	tb.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM) // it may have ended already
		_ = command.Wait()
		if tb.Failed() {
			tb.Logf("%s %v:\n%s", name, args, &said)
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if ready() {
			return
		}
		<-tick.C
	}
	tb.Fatalf("%s does not get ready", name)
}

// accepts reports whether an address accepts TCP connections.
func accepts(address string) func() bool {
	return func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}
}

// bound reports whether a UDP socket is bound to a port, by the kernel's table (local addresses in hexadecimal).
func bound(port string) func() bool {
	return func() bool {
		n, err := strconv.Atoi(port)
		if err != nil {
			return false
		}
		// The first thread, which /proc/net is about, may be in another namespace by now.
		for _, table := range []string{"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"} {
			sockets, err := os.ReadFile(table)
			if err == nil && bytes.Contains(sockets, fmt.Appendf(nil, ":%04X ", n)) {
				return true
			}
		}
		return false
	}
}

// buildExporter builds the program as it is released.
func buildExporter(tb testing.TB) string {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "endpoint_exporter")
	build := exec.CommandContext(tb.Context(), "go", "build", "-ldflags=-s -w", "-o", out, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build: %v\n%s", err, said)
	}
	return out
}
