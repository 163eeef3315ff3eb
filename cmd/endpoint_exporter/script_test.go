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
//	lab [-ttl SECONDS] [-bootstrap] [WHERE=FAULT...]   start a lab, write lab.yml for it; -bootstrap: of one host
//	fault WHERE FAULT                                  change it while it runs
//	occupy                                             listen on a port, and set $OCCUPIED to its address
//	freeport                                           set $FREE to an address that nobody listens on
//	get [-until TEXT] URL                              wait for an answer, of code 200, that holds a text
//	await FILE TEXT                                    wait for a file to hold a text
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lab":    scriptLab,
			"fault":  scriptFault,
			"occupy": scriptOccupy,

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
}

func scriptFault(ts *testscript.TestScript, _ bool, args []string) {
	l := ts.Value(labKey{}).(*scriptedLab).Lab
	if l == nil || len(args) != 2 {
		ts.Fatalf("usage, after lab: fault WHERE FAULT")
	}
	ts.Check(l.Set(args[0], args[1]))
	l.Resolver.Flush() // what it kept by the habits of before would be taken for those of now
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

// scriptGet asks again until the server answers as it should; the answer is the script's standard output.
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

// poll asks until the answer is yes.
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
