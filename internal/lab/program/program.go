// Package program runs the exporter and other servers as processes with flags, and finds them by the address that they
// log.
package program

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Bounds of a program's life in a test. They are for programs that hang, so they are wide.
const (
	startTime = 3 * time.Minute
	stopTime  = time.Minute
)

// listening is what exporters and Prometheus log once they can be asked; with port 0 it has the port that was chosen.
var listening = regexp.MustCompile(`msg="Listening on" (?:component=web )?address="?([^\s"]+)`)

// Start runs a command until the test ends and gives the address that it listens on. It is stopped by SIGTERM, after
// which it must exit with 0. What it logs is shown if the test fails.
func Start(tb testing.TB, command *exec.Cmd) (address string) {
	tb.Helper()
	name := strings.Join(command.Args, " ")
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = writer, writer
	command.WaitDelay = stopTime
	if err := command.Start(); err != nil {
		tb.Fatalf("start %s: %v", name, err)
	}
	ended := make(chan error, 1)
	go func() {
		err := command.Wait()
		_ = writer.Close() // a pipe's always succeeds
		ended <- err
	}()
	found := make(chan string, 1)
	var log strings.Builder
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			fmt.Fprintln(&log, lines.Text())
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default: // only the first counts
				}
			}
		}
		reader.CloseWithError(lines.Err()) // a line too long to scan must not hold the program up
	})
	tb.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended, which the wait below tells
		kill := time.AfterFunc(stopTime, func() { _ = command.Process.Kill() })
		err := <-ended
		kill.Stop()
		reading.Wait()
		if err != nil {
			tb.Errorf("%s: after SIGTERM: %v", name, err)
		}
		if tb.Failed() {
			tb.Logf("%s said:\n%s", name, &log)
		}
	})
	select {
	case address = <-found:
	case err := <-ended:
		ended <- err
		tb.Fatalf("%s ended before it listened: %v", name, err)
	case <-time.After(startTime):
		tb.Fatalf("%s does not listen after %s", name, startTime)
	}
	return address
}

// Build compiles a command of this module and gives the binary's name. The race detector's objects are those that the
// tests have been built with already.
func Build(tb testing.TB, pkg string) string {
	tb.Helper()
	return BuildIn(tb, tb.TempDir(), pkg)
}

// BuildIn is Build into a directory that the caller removes, for a binary that several tests share.
func BuildIn(tb testing.TB, dir, pkg string) string {
	tb.Helper()
	binary := dir + "/program"
	out, err := exec.CommandContext(tb.Context(), "go", "build", "-race", "-o", binary, pkg).CombinedOutput()
	if err != nil {
		tb.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return binary
}
