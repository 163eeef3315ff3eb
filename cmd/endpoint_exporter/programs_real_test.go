//go:build realpeers && linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is another program that a test or a benchmark runs, looks at and stops.
type program struct {
	tb      testing.TB
	command *exec.Cmd
	url     string // where it serves HTTP, if it does
	said    output
}

// output gathers what a program says, for whoever has to find out why a test failed.
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

// startProgram runs a program until the test ends, and waits until it is ready.
func startProgram(tb testing.TB, ready func() bool, name string, args ...string) *program {
	tb.Helper()
	p := &program{tb: tb, command: exec.CommandContext(context.WithoutCancel(tb.Context()), name, args...)}
	p.command.Stdout, p.command.Stderr = &p.said, &p.said
	// A server that is given an end of file for its input, as s_server is, ends the session of whoever connects.
	stdin, err := p.command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { stdin.Close() })
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it starts itself is stopped with it
	if err := p.command.Start(); err != nil {
		tb.Fatalf("start %s: %v", name, err)
	}
	tb.Cleanup(func() {
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGTERM) // it may have ended already
		_ = p.command.Wait()
		if tb.Failed() {
			tb.Logf("%s %v:\n%s", name, args, &p.said)
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if ready() {
			return p
		}
		<-tick.C
	}
	tb.Fatalf("%s does not get ready", name)
	return nil
}

// startWebProgram runs a program that serves HTTP at address; it is ready when it answers there.
func startWebProgram(tb testing.TB, address, ready, name string, args ...string) *program {
	tb.Helper()
	answers := func() bool {
		response, err := http.Get("http://" + address + ready)
		if err != nil {
			return false
		}
		response.Body.Close()
		return true
	}
	p := startProgram(tb, answers, name, args...)
	p.url = "http://" + address
	return p
}

// accepts reports whether somebody listens on an address, by TCP.
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
		for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
			sockets, err := os.ReadFile(table)
			if err == nil && bytes.Contains(sockets, fmt.Appendf(nil, ":%04X ", n)) {
				return true
			}
		}
		return false
	}
}

// get fetches a page that must be there.
func (p *program) get(path string) []byte {
	p.tb.Helper()
	response, err := http.Get(p.url + path)
	if err != nil {
		p.tb.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.tb.Fatalf("%s: %s %v\n%s", path, response.Status, err, body)
	}
	return body
}

// cpu is the processor time that the program has used, by /proc/PID/stat (fields 14 and 15, in ticks of 10 ms).
func (p *program) cpu() time.Duration {
	p.tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		p.tb.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			p.tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
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

// resident is the program's resident memory in bytes.
func (p *program) resident() int64 {
	p.tb.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.command.Process.Pid))
	if err != nil {
		p.tb.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		p.tb.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
