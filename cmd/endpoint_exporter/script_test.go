package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

// TestMain lets the scripts run the command itself, as a process with signals, exit codes and terminals.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"endpoint_exporter": main})
}

// leakChecked runs the tests and then looks for goroutines that they left.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the scripts of testdata/script. Beside testscript's own commands they have
//
//	lab [-addresses N] [-bootstrap] [WHERE=FAULT...]   start a lab, write lab.yml for it; -bootstrap: of one host
//	fault WHERE FAULT                                  change it while it runs
//	occupy                                             listen on a port, and set $OCCUPIED to its address
//	freeport                                           set $FREE to an address that nobody listens on
//	get URL                                            wait for an answer of code 200
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lab":    scriptLab,
			"fault":  scriptFault,
			"occupy": scriptOccupy,

			"freeport": scriptFreePort,
			"get":      scriptGet,
		},
		Setup: func(e *testscript.Env) error {
			e.Values[labKey{}] = &scriptedLab{}
			return nil
		},
	})
}

// labKey is under what a script's lab is kept.
type labKey struct{}

// scriptedLab is the lab of one script, if it started one.
type scriptedLab struct{ *lab.Lab }

func scriptLab(ts *testscript.TestScript, _ bool, args []string) {
	var o lab.Options
	var faults []string
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-bootstrap":
			o.Hosts = lab.Izuma()[:1]
		case args[i] == "-addresses" && i+1 < len(args):
			i++
			if _, err := fmt.Sscan(args[i], &o.Addresses); err != nil {
				ts.Fatalf("lab: %v", err)
			}
		default:
			faults = append(faults, args[i])
		}
	}
	l, err := lab.Start(context.Background(), o)
	if err != nil {
		ts.Fatalf("lab: %v", err)
	}
	ts.Defer(func() {
		if err := l.Close(); err != nil {
			ts.Logf("lab: %v", err)
		}
	})
	ts.Value(labKey{}).(*scriptedLab).Lab = l
	for _, f := range faults {
		where, fault, _ := strings.Cut(f, "=")
		ts.Check(l.Set(where, fault))
	}
	ts.Check(os.WriteFile(ts.MkAbs("lab.yml"), []byte(l.Config()), 0o600))
}

func scriptFault(ts *testscript.TestScript, _ bool, args []string) {
	l := ts.Value(labKey{}).(*scriptedLab).Lab
	if l == nil || len(args) != 2 {
		ts.Fatalf("usage, after lab: fault WHERE FAULT")
	}
	ts.Check(l.Set(args[0], args[1]))
}

func scriptOccupy(ts *testscript.TestScript, _ bool, _ []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() {
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			ts.Logf("occupy: %v", err)
		}
	})
	ts.Setenv("OCCUPIED", listener.Addr().String())
}

func scriptFreePort(ts *testscript.TestScript, _ bool, _ []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("FREE", listener.Addr().String())
	ts.Check(listener.Close())
}

// scriptGet asks again until the server is up; what it answers is the script's standard output.
func scriptGet(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
		ts.Check(err)
		response, err := client.Do(request)
		if err == nil {
			_, err = io.Copy(ts.Stdout(), response.Body)
			response.Body.Close()
			ts.Check(err)
			if response.StatusCode != http.StatusOK {
				ts.Fatalf("get %s: %s", args[0], response.Status)
			}
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("get %s: %v", args[0], err)
		case <-again.C:
		}
	}
}
