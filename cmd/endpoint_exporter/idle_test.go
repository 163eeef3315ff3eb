package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
)

// idleRun is what one run of the idle command printed and returned.
type idleRun struct {
	code           int
	stdout, stderr string
}

// runIdle runs the idle command against a lab over a network in memory.
func runIdle(ctx context.Context, t *testing.T, network *memnet.Network, config string, flags idleCommand) idleRun {
	t.Helper()
	flags.common = &common{configFile: configFile(t, config), logLevel: "info", logFormat: "logfmt", dial: network.Dial}
	var stdout, stderr bytes.Buffer
	code := flags.run(ctx, &stdout, &stderr)
	return idleRun{code, stdout.String(), stderr.String()}
}

func TestIdleCommand(t *testing.T) {
	const host = bootstrapHost
	for name, test := range map[string]struct {
		where, fault string
		limit        time.Duration
		target       string
		flags        idleCommand
		keepalive    string // in the configuration; "" for none
		code         int
		contains     []string
		absent       []string
	}{
		"nothing lost: 0": {
			target: host, flags: idleCommand{steps: "30s,1m", keepalive: time.Minute}, code: exitOK,
			contains: []string{"Configuration: ", "; DNS server: 127.", ".\nTCP DEVICE to bootstrap.us-east-1.mbedcloud.com (127.", ")\n\nTested by a CoAP ping after each silence:\n", "\n      30 s  survived\n      60 s  survived\n\nResult: ",
				"\nResult: a silence of 60 s survives if the device speaks first.\n", "\nAfter each silence this side speaks first. Whether the cloud reaches", "90 s (a page of the vendor's documentation) is not known to survive",
				"\nNothing was lost up to 60 s, so no setting is recommended", "\nA keepalive of 60 s survives here.\n"},
		},
		"NAT resets before the keepalive: 1": {
			where: "bootstrap/tcp", fault: "nat_resets:2m", target: "bootstrap:DEVICE", flags: idleCommand{steps: "30s", keepalive: 4 * time.Minute}, code: exitUnhealthy,
			contains: []string{"     240 s  reset: RST in answer to what was sent after it\n", "Result: a silence of 30 s survives if the device speaks first; after 240 s the connection is lost: RST",
				"540 s (the C client's default) does not survive", "\nA keepalive of 240 s does not survive here.\n"},
		},
		"NAT resets before the configured keepalive: 1": {
			where: "bootstrap/tcp", fault: "nat_resets:2m", target: host, flags: idleCommand{steps: "30s,4m"}, keepalive: "9m", code: exitUnhealthy,
			contains: []string{"after 240 s the connection is lost", "\n     540 s  reset", "\nA keepalive of 540 s does not survive here.\n"},
		},
		"NAT resets and no keepalive is configured or given: 0": {
			where: "bootstrap/tcp", fault: "nat_resets:2m", target: host, flags: idleCommand{steps: "30s,4m"}, code: exitOK,
			contains: []string{"after 240 s the connection is lost"},
			absent:   []string{"A keepalive of"},
		},
		"not judged: 3, measured": {
			target: host + ":DEVICE/tcp", flags: idleCommand{steps: "30s", targetFlags: targetFlags{client: "device"}}, code: exitUnknown,
			contains: []string{"\nNot judged: no trust anchor is known for who answers (--trust).\n", "\nResult: a silence of 30 s survives"},
		},
		"NAT forgets UDP connections between registration updates: 1": {
			where: "bootstrap/udp", fault: "nat_forgets:2m", target: host + "/udp", flags: idleCommand{steps: "30s,4m"}, code: exitUnhealthy,
			contains: []string{"UDP does not work here", "Use CoAP over TCP."},
		},
		"interceptor: 1, not measured": {
			where: "bootstrap/tcp", fault: lab.Intercept, target: host, flags: idleCommand{steps: "30s,1m"}, code: exitUnhealthy,
			contains: []string{"TCP DEVICE to bootstrap", ")\nThis path does not carry a device (wrong_issuer): signed by ", "ask the network's owner to exempt ",
				"\nSilence is not measured: something other than the cloud answers."},
			absent: []string{"survive", "Set the keepalive"},
		},
		"forged issuer: 1, not measured": {
			where: "bootstrap/tcp", fault: lab.ForgedIssuer, target: host, flags: idleCommand{steps: "30s"}, code: exitUnhealthy,
			contains: []string{"(forged_issuer): ", "\nSilence is not measured: "},
			absent:   []string{"survive"},
		},
		"interceptor without the device's suite: 1, not measured": {
			where: "bootstrap/tcp", fault: lab.InterceptNoCCM, target: host, flags: idleCommand{steps: "30s"}, code: exitUnhealthy,
			contains: []string{"(wrong_issuer): ", "\nSilence is not measured: "},
			absent:   []string{"survive"},
		},
		"another protocol: 1, not measured": {
			where: "bootstrap/tcp", fault: lab.Garbage, target: host, flags: idleCommand{steps: "30s"}, code: exitUnhealthy,
			contains: []string{"(not_tls): ", "\nSilence is not measured: "},
			absent:   []string{"survive"},
		},
		"expired certificate of the cloud: 1, measured": {
			where: "bootstrap/tcp", fault: lab.Expired, target: host, flags: idleCommand{steps: "30s"}, code: exitUnhealthy,
			contains: []string{"This path does not carry a device (expired): ", "\nResult: a silence of 30 s survives if the device speaks first.\n"},
		},
		"server with a limit below the keepalive: 1": {
			limit: 2 * time.Minute, target: host, flags: idleCommand{steps: "30s,4m", keepalive: 4 * time.Minute}, code: exitUnhealthy,
			contains: []string{"     240 s  closed after 120 s: close_notify\n", "the server itself ends the connection (close_notify)"},
		},
		"UDP, enough for registration updates: 0": {
			target: host + "/udp", flags: idleCommand{steps: "9m"}, code: exitOK,
			contains: []string{"Silences of up to 540 s survive here, enough for a lifetime of 720 s"},
		},
		"UDP, too short to know: 3": {
			target: host + "/udp", flags: idleCommand{steps: "30s"}, keepalive: "9m", code: exitUnknown,
			contains: []string{"UDP DEVICE to bootstrap", ")\n\nTested by a CoAP ping", "Whether UDP works here is not known. Over UDP a device sends no keepalive"},
		},
		"UDP refused: 1, unknown": {
			where: "bootstrap/udp", fault: lab.Refuse, target: host + ":DEVICE/udp", flags: idleCommand{steps: "30s", keepalive: time.Minute}, code: exitUnhealthy,
			contains: []string{"UDP DEVICE to bootstrap", ")\nThis path does not carry a device (refused): ICMP port unreachable",
				"Result: not known: the hello is not answered: ICMP port unreachable.\n", "A keepalive of 60 s is not known to survive here."},
		},
		"web host: 0, nothing about devices": {
			target: "gateways", flags: idleCommand{steps: "20s"}, code: exitOK,
			contains: []string{"Result: a silence of 20 s survives"},
			absent:   []string{"eepalive"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:3], IdleLimit: test.limit, Network: network})
				if test.where != "" {
					if err := l.Set(test.where, test.fault); err != nil {
						t.Fatal(err)
					}
				}
				device := fmt.Sprint(l.Port(lab.NominalDevice))
				flags := test.flags
				flags.target = strings.ReplaceAll(test.target, "DEVICE", device)
				got := runIdle(t.Context(), t, network, withKeepalive(t, l.Config(), test.keepalive), flags)
				if got.code != test.code {
					t.Errorf("exit code %d, want %d", got.code, test.code)
				}
				for _, text := range test.contains {
					if !strings.Contains(got.stdout, strings.ReplaceAll(text, "DEVICE", device)) {
						t.Errorf("the output does not contain %q", text)
					}
				}
				for _, text := range test.absent {
					if strings.Contains(got.stdout, text) {
						t.Errorf("the output contains %q", text)
					}
				}
				if t.Failed() || got.stderr != "" {
					t.Errorf("stdout:\n%s\nstderr:\n%s", got.stdout, got.stderr)
				}
			})
		})
	}
}

// withKeepalive sets the keepalive of every endpoint of a lab's configuration; "" removes it.
func withKeepalive(t *testing.T, config, keepalive string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^    keepalive: .*\n`)
	if !line.MatchString(config) {
		t.Fatal("the lab's configuration has no keepalive")
	}
	if keepalive != "" {
		keepalive = "    keepalive: " + keepalive + "\n"
	}
	return line.ReplaceAllLiteralString(config, keepalive)
}

// TestIdleCommandInterrupted: what is printed agrees with the table, and advises nothing.
func TestIdleCommandInterrupted(t *testing.T) {
	const nothing = "Interrupted before any silence was measured to its end.\n"
	for name, test := range map[string]struct {
		after          time.Duration
		fault          string
		stdout, stderr string // parts
	}{
		"before the name is resolved":     {after: time.Millisecond, stderr: "endpoint_exporter: idle: interrupted before the path was probed to its end\n"},
		"before the path is probed":       {after: 8 * time.Millisecond, stderr: "endpoint_exporter: idle: interrupted before the path was probed to its end\n"},
		"before the first silence begins": {after: 18 * time.Millisecond, stdout: ")\n\n" + nothing},
		"in the first silence":            {after: 10 * time.Second, stdout: ")\n\n" + nothing},
		"after the first silence": {
			after:  5 * time.Minute,
			stdout: "Interrupted. So far: a silence of 30 s survives if the device speaks first.\n",
		},
		"after a loss that is not confirmed": {
			after: 15 * time.Minute, fault: "nat_resets:2m",
			stdout: "Interrupted. So far: a silence of 30 s survives if the device speaks first; longer silences are not known: " +
				"one connection ended after 600 s (RST in answer to what was sent after it), which no second one confirms.\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				l := labtest.Start(t, lab.Options{Hosts: lab.Izuma()[:1], Network: network})
				if test.fault != "" {
					set(t, l, "bootstrap/tcp", test.fault)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(test.after, cancel)
				got := runIdle(ctx, t, network, withKeepalive(t, l.Config(), "10m"), idleCommand{target: bootstrapHost, steps: "30s,1h"})
				device := fmt.Sprint(l.Port(lab.NominalDevice))
				if got.code != exitUnknown || !strings.Contains(got.stdout, strings.ReplaceAll(test.stdout, "DEVICE", device)) || got.stderr != test.stderr ||
					strings.Contains(got.stdout, "Set the keepalive") || strings.Contains(got.stdout, "survey.timeout") {
					t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
				}
				if unconfirmed := "A keepalive of 600 s is not known to survive here: one connection ended after 600 s, which no second one confirms.\n"; test.fault != "" &&
					!strings.Contains(got.stdout, unconfirmed) {
					t.Errorf("no %q in\n%s", unconfirmed, got.stdout)
				}
			})
		})
	}
}

// TestProgressLine reads the line of progress at several moments without a change of its text.
func TestProgressLine(t *testing.T) {
	began := time.Now()
	p := &progress{started: began}
	p.setUntil(present.IdleProgressText(1, 2), began.Add(90*time.Second))
	for passed, want := range map[time.Duration]string{
		0:                 "0 s: 1 connection silent, 2 done, at most 1m30s to go",
		31 * time.Second:  "31 s: 1 connection silent, 2 done, at most 59s to go",
		100 * time.Second: "100 s: 1 connection silent, 2 done, at most 0s to go",
	} {
		if got := p.line(began.Add(passed)); got != want {
			t.Errorf("after %v: %q, want %q", passed, got, want)
		}
	}
	p.set(present.IdleProgressText(2, 0))
	if got := p.line(began); got != "0 s: 2 connections silent, 0 done" {
		t.Errorf("%q", got)
	}
}

func TestIdleArguments(t *testing.T) {
	for args, says := range map[string]string{
		"":                          `required argument 'target' not provided`,
		"nowhere":                   "\"nowhere\" is not in the configuration\nhint: configured are bootstrap, ",
		"bootstrap:0":               `"0" is not a port; want 1 to 65535`,
		"bootstrap:x":               `"x" is not a port; want 1 to 65535`,
		"bootstrap/sctp":            `"sctp" is not a transport; want tcp or udp`,
		"gateways/udp":              `gateways.us-east-1.mbedcloud.com has no path over udp in the configuration`,
		"bootstrap --steps=30":      `--steps: "30" is not a duration such as 30s`,
		"bootstrap --steps=0s":      `longer than 0s`,
		"bootstrap --steps=25h":     `a silence must be longer than 0s and no longer than 24h0m0s`,
		"bootstrap --keepalive=-1s": `--keepalive: "-1s" is not a duration`,
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"idle"}, strings.Fields(args)...), &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), says) {
			t.Errorf("idle %s: exit code %d, %s%s; want %q", args, code, &stdout, &stderr, says)
		}
	}
}

func TestIdleHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"idle", "--help"}, &stdout, &stderr)
	if help := stdout.String() + stderr.String(); code != exitOK || !regexp.MustCompile(`--keepalive=DURATION`).MatchString(help) {
		t.Errorf("exit code %d\n%s", code, help)
	}
}
