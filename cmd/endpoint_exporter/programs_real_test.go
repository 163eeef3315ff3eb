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

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
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

// process is a program that serves HTTP and is measured.
type process struct {
	tb      testing.TB
	command *exec.Cmd
	url     string
}

// startProcess runs a program on a free port until the test ends.
func startProcess(tb testing.TB, name string, args ...string) *process {
	tb.Helper()
	command := exec.Command(name, append(args, "--web.listen-address=127.0.0.1:0")...)
	return &process{tb, command, "http://" + program.Start(tb, command)}
}

// get fetches a page that must be there.
func (p *process) get(path string) []byte {
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
func (p *process) cpu() time.Duration {
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
func (p *process) resident() int64 {
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
