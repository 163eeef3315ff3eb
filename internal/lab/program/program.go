// Package program runs the exporter and other servers as processes, and finds them by the address that they log.
package program

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Bounds of a program's life in a test. They are for programs that hang, so they are wide.
const (
	startTime = 3 * time.Minute
	stopTime  = time.Minute
)

// Process is a program that [Run] has started.
type Process struct {
	Ended chan struct{} // closed when the program has ended
	Err   error         // nil for the exit code 0; to be read once Ended is closed
}

// Run starts a command and stops it by SIGTERM when the test ends. What it writes is shown if the test fails.
func Run(tb testing.TB, command *exec.Cmd) *Process {
	tb.Helper()
	return run(tb, command, new(output))
}

func run(tb testing.TB, command *exec.Cmd, out *output) *Process {
	tb.Helper()
	p := &Process{Ended: make(chan struct{})}
	command.Stdout, command.Stderr = out, out
	command.WaitDelay = stopTime
	name := strings.Join(command.Args, " ")
	if err := command.Start(); err != nil {
		tb.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.Ended)
		p.Err = command.Wait()
	}()
	tb.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended, which the wait below tells
		kill := time.AfterFunc(stopTime, func() { _ = command.Process.Kill() })
		<-p.Ended
		kill.Stop()
		if tb.Failed() {
			tb.Logf("%s wrote:\n%s", name, &out.text)
		}
	})
	return p
}

// Start runs a command until the test ends and gives the address that it listens on. After SIGTERM it must exit with 0.
func Start(tb testing.TB, command *exec.Cmd) (address string) {
	tb.Helper()
	var p *Process
	tb.Cleanup(func() { // after the one of run, which waits for the end
		if p != nil && p.Err != nil {
			tb.Errorf("%s: after SIGTERM: %v", command, p.Err)
		}
	})
	out := &output{address: make(chan string, 1)}
	p = run(tb, command, out)
	select {
	case address = <-out.address:
	case <-p.Ended:
		tb.Fatalf("%s ended before it listened: %v", command, p.Err)
	case <-time.After(startTime):
		tb.Fatalf("%s does not listen after %s", command, startTime)
	}
	return address
}

// listening is what exporters and Prometheus log once they can be asked; with port 0 it has the port that was chosen.
var listening = regexp.MustCompile(`msg="Listening on" (?:component=web )?address="?([^\s"]+).*\n`)

// maxOutput bounds what is kept of a program's output.
const maxOutput = 1 << 20

// output keeps the beginning of a program's output.
type output struct {
	text    bytes.Buffer
	address chan string // gets the first address that the program logs; nil if it does not log one
	found   bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.text.Len() < maxOutput {
		o.text.Write(p)
	}
	if o.address != nil && !o.found {
		if m := listening.FindSubmatch(o.text.Bytes()); m != nil {
			o.found = true
			o.address <- string(m[1])
		}
	}
	return len(p), nil
}

// Build compiles a command of this module into a directory, and gives the binary's name. The race detector's objects
// are those that the tests have been built with already.
func Build(tb testing.TB, dir, pkg string) string {
	tb.Helper()
	binary := dir + "/program"
	out, err := exec.CommandContext(tb.Context(), "go", "build", "-race", "-o", binary, pkg).CombinedOutput()
	if err != nil {
		tb.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return binary
}
