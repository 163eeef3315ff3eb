package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
)

// TestMain lets the scripts run the command itself, as a process with signals, exit codes and terminals.
func TestMain(m *testing.M) {
	installedConfig = os.Getenv("INSTALLED_CONFIG") // that of a script, and not this machine's
	for _, variable := range proxyVariables {
		_ = os.Unsetenv(variable) // this machine's proxy is in no golden file
	}
	testscript.Main(leakChecked{m}, map[string]func(){"endpoint_exporter": main})
}

// leakChecked runs the tests and then checks that they have left no goroutine.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	// Many tests wait for processes and real time-outs, not for a processor.
	labtest.SetParallel(2 * runtime.GOMAXPROCS(0))
	code := m.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestScripts runs the scripts of testdata/script: what the program prints and returns, as a process on the kernel's
// sockets.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

// runScripts runs the scripts of a directory. In addition to testscript's own commands they have
//
//	lab [-ttl SECONDS] [-bootstrap] [WHERE=FAULT...]   start a lab, write lab.yml for it, and inspector.pem, the CA of
//	                                                   interceptors; -bootstrap: with one host
//	fault WHERE FAULT                                  change it while it runs
//	occupy                                             listen on a port, and set $OCCUPIED to its address
//	freeport                                           set $FREE to an address on which nothing listens
//	get [-until TEXT] URL                              wait for a response of status 200 that contains a text
//	await FILE TEXT                                    wait for a file to contain a text
func runScripts(t *testing.T, directory string) {
	testscript.Run(t, testscript.Params{
		Dir:           directory,
		UpdateScripts: golden.Updating(),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lab":      scriptLab,
			"fault":    scriptFault,
			"occupy":   scriptOccupy,
			"freeport": scriptFreePort,
			"get":      scriptGet,
			"await":    scriptAwait,
		},
		Setup: func(e *testscript.Env) error {
			e.Values[labKey{}] = &scriptedLab{}
			return nil
		},
	})
}

// labKey is the key of a script's lab in its values.
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
		case args[i] == "-ttl" && i+1 < len(args):
			i++
			_, err := fmt.Sscan(args[i], &o.TTL)
			ts.Check(err)
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
	inspector := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Mint.Inspector.Certificate.Raw})
	ts.Check(os.WriteFile(ts.MkAbs("inspector.pem"), inspector, 0o600))
}

func scriptFault(ts *testscript.TestScript, _ bool, args []string) {
	l := ts.Value(labKey{}).(*scriptedLab).Lab
	if l == nil || len(args) != 2 {
		ts.Fatalf("usage, after lab: fault WHERE FAULT")
	}
	ts.Check(l.Set(args[0], args[1]))
	l.Resolver.Flush() // records kept under the old fault would look like a fault
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
	listener, err := net.Listen("tcp", net.JoinHostPort(ownLoopback(), "0"))
	ts.Check(err)
	ts.Setenv("FREE", listener.Addr().String())
	ts.Check(listener.Close())
}

// scriptGet repeats a request until the response is the expected one, which becomes the script's standard output.
func scriptGet(ts *testscript.TestScript, _ bool, args []string) {
	var until string
	if len(args) == 3 && args[0] == "-until" {
		until, args = args[1], args[2:]
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	poll(ts, "get "+args[0], func(ctx context.Context) bool {
		body, err := scriptRequest(ctx, client, args[0])
		if err != nil || !strings.Contains(body, until) {
			return false
		}
		_, err = io.WriteString(ts.Stdout(), body)
		ts.Check(err)
		return true
	})
}

func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	poll(ts, "await "+args[1], func(context.Context) bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && strings.Contains(string(text), args[1])
	})
}

// poll calls done until it returns true; the script fails after a minute.
func poll(ts *testscript.TestScript, what string, done func(context.Context) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			ts.Fatalf("%s: %v", what, ctx.Err())
		case <-again.C:
		}
	}
}

func scriptRequest(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}
