package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/idle"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

func TestIdleEndsInASentenceAndAnExitCode(t *testing.T) {
	const host = bootstrapHost
	for name, test := range map[string]struct {
		where, fault string
		limit        time.Duration
		target       string
		flags        silence
		code         int
		says, never  []string
		closed       bool // the silence after which the server ends the connection is told, by its limit
	}{
		"all survives": {
			target: host, flags: silence{steps: "50ms,1s", keepalive: time.Second}, code: exitOK,
			says: []string{"), tcp port DEVICE\nAsked by a CoAP ping after each silence:\n", "\n    0.05 s  survived\n       1 s  survived\n",
				"\nResult: a silence of 1 s survives.\n", "60 s (Edge) is not known to survive", "\nNothing was lost up to 1 s, so no setting is recommended", "\nA keepalive of 1 s survives here.\n"},
		},
		"a NAT that resets": {
			where: "bootstrap/tcp", fault: "nat_resets:3s", target: "bootstrap:DEVICE", flags: silence{steps: "50ms", keepalive: 8 * time.Second}, code: exitWrong,
			says: []string{"       8 s  reset: RST in answer to what was sent after it\n", "Result: a silence of 0.05 s survives; after 8 s the connection is lost: RST",
				"540 s (the C client's default) does not survive", "\nA keepalive of 8 s does not survive here.\n"},
		},
		"a NAT that resets, and nobody asks for a keepalive": {
			where: "bootstrap/tcp", fault: "nat_resets:3s", target: host, flags: silence{steps: "50ms,8s"}, code: exitOK,
			says: []string{"after 8 s the connection is lost"},
		},
		"an interceptor": {
			where: "bootstrap/tcp", fault: lab.Intercept, target: host, flags: silence{steps: "50ms,1s"}, code: exitWrong,
			says: []string{"tcp port DEVICE\nThis path does not carry a device (wrong_issuer): signed by ", "Ask the network's owner to exempt ",
				"\nSilence is not measured: something else than the cloud answers (signed by "},
			never: []string{"survive", "Set the keepalive"},
		},
		"a forger": {
			where: "bootstrap/tcp", fault: lab.ForgedIssuer, target: host, flags: silence{steps: "50ms"}, code: exitWrong,
			says:  []string{"(forged_issuer): ", "\nSilence is not measured: "},
			never: []string{"survive"},
		},
		"an interceptor that does not know the device's suite": {
			where: "bootstrap/tcp", fault: lab.InterceptNoCCM, target: host, flags: silence{steps: "50ms"}, code: exitWrong,
			says:  []string{"(wrong_issuer): ", "\nSilence is not measured: "},
			never: []string{"survive"},
		},
		"something that speaks another protocol": {
			where: "bootstrap/tcp", fault: lab.Garbage, target: host, flags: silence{steps: "50ms"}, code: exitWrong,
			says:  []string{"(not_tls): ", "\nSilence is not measured: "},
			never: []string{"survive"},
		},
		"the cloud, with a certificate that is out of date": {
			where: "bootstrap/tcp", fault: lab.Expired, target: host, flags: silence{steps: "50ms"}, code: exitWrong,
			says: []string{"This path does not carry a device (expired): ", "\nResult: a silence of 0.05 s survives.\n"},
		},
		"a server with a limit": {
			limit: 3 * time.Second, target: host, flags: silence{steps: "50ms,8s", keepalive: 8 * time.Second}, code: exitWrong, closed: true,
			says: []string{"       8 s  closed after ", "the server itself ends the connection (close_notify)"},
		},
		"UDP": {
			target: host + "/udp", flags: silence{steps: "50ms"}, code: exitOK,
			says: []string{"udp port DEVICE\nAsked by a CoAP ping", "Whether UDP will do here is not known. Over UDP a device sends no keepalive"},
		},
		"UDP that nothing is known of": {
			where: "bootstrap/udp", fault: lab.Refuse, target: host + ":DEVICE/udp", flags: silence{steps: "50ms", keepalive: time.Second}, code: exitWrong,
			says: []string{"udp port DEVICE\nThis path does not carry a device (refused): the connection was refused", "Result: not known: the hello is not answered: ICMP: port unreachable.\n", "A keepalive of 1 s is not known to survive here."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1], IdleLimit: test.limit})
			if test.where != "" {
				if err := l.Set(test.where, test.fault); err != nil {
					t.Fatal(err)
				}
			}
			device := fmt.Sprint(l.Port(lab.NominalDevice))
			k := test.flags
			k.common = &common{configFile: configFile(t, l.Config()), logLevel: "info", logFormat: "logfmt"}
			k.target = strings.ReplaceAll(test.target, "DEVICE", device)
			var stdout, stderr bytes.Buffer
			if code := k.run(t.Context(), &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, says := range test.says {
				if !strings.Contains(stdout.String(), strings.ReplaceAll(says, "DEVICE", device)) {
					t.Errorf("does not say %q", says)
				}
			}
			// By the limit of 3 s, however busy the machine is.
			if closed := regexp.MustCompile(`closed after [2-7](\.\d+)? s`).MatchString(stdout.String()); closed != test.closed {
				t.Errorf("says that the server closed after its limit: %v", closed)
			}
			for _, never := range test.never {
				if strings.Contains(stdout.String(), never) {
					t.Errorf("says %q", never)
				}
			}
			if t.Failed() || stderr.Len() > 0 {
				t.Errorf("stdout:\n%s\nstderr:\n%s", &stdout, &stderr)
			}
		})
	}
}

// TestIdleOfAWebHostNamesNoSetting: no device's keepalive keeps its connections.
func TestIdleOfAWebHostNamesNoSetting(t *testing.T) {
	t.Parallel()
	l := startLab(t, lab.Options{})
	k := silence{common: &common{configFile: configFile(t, l.Config()), logLevel: "info", logFormat: "logfmt"}, target: "gateways", steps: "50ms"}
	var stdout, stderr bytes.Buffer
	code := k.run(t.Context(), &stdout, &stderr)
	if said := stdout.String(); code != exitOK || !strings.Contains(said, "Result: a silence of 0.05 s survives") || strings.Contains(strings.ToLower(said), "keepalive") {
		t.Errorf("exit code %d\n%s%s", code, said, &stderr)
	}
}

// TestTheTimeLeftIsCountedDown reads the line of progress at several moments without anything new being said.
func TestTheTimeLeftIsCountedDown(t *testing.T) {
	began := time.Now()
	p := &progress{started: began}
	p.sayUntil(progressWords(idle.Progress{Silent: 1, Done: 2}), began.Add(90*time.Second))
	for passed, want := range map[time.Duration]string{
		0:                 "0 s: 1 connection silent, 2 done, at most 1m30s to go",
		31 * time.Second:  "31 s: 1 connection silent, 2 done, at most 59s to go",
		100 * time.Second: "100 s: 1 connection silent, 2 done, at most 0s to go",
	} {
		if got := p.line(began.Add(passed)); got != want {
			t.Errorf("after %v: %q, want %q", passed, got, want)
		}
	}
	p.say(progressWords(idle.Progress{Silent: 2}))
	if got := p.line(began); got != "0 s: 2 connections silent, 0 done" {
		t.Errorf("%q", got)
	}
}

func TestIdleThatIsInterruptedSaysWhatItSaw(t *testing.T) {
	t.Parallel()
	l := bootstrapOnly(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // for a silence of 50 ms
	defer cancel()
	k := silence{common: &common{configFile: configFile(t, l.Config()), logLevel: "info", logFormat: "logfmt"}, target: bootstrapHost, steps: "50ms,1h"}
	var stdout, stderr bytes.Buffer
	if code := k.run(ctx, &stdout, &stderr); code != exitWrong || !strings.Contains(stdout.String(), "Interrupted. So far: a silence of 0.05 s survives") ||
		!strings.Contains(stdout.String(), "\nNo setting is recommended, as the measurement did not come to its end.\n") {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
}

// TestIdleThatIsInterruptedAtOnceHasNoTable: nothing stands below a heading then.
func TestIdleThatIsInterruptedAtOnceHasNoTable(t *testing.T) {
	k := silence{common: &common{}}
	said := k.text(path.Target{Transport: measurement.TCP}, &idle.Result{Proof: idle.ByPing, Bounds: idle.Bounds{Reason: idle.ReasonUnknown, Why: "not known: nothing was measured"}})
	if !strings.HasPrefix(said, "Interrupted. So far: not known: nothing was measured.\n") {
		t.Error(said)
	}
}

func TestIdleOfAPathThatIsNotConfiguredIsAMistake(t *testing.T) {
	for args, says := range map[string]string{
		"":                          `required argument 'target' not provided`,
		"example.com":               `"example.com" is not in the configuration (--config.file names it; without one it is the built-in catalogue); known are bootstrap.us-east-1.mbedcloud.com, `,
		"bootstrap:5685":            `bootstrap:5685 is not a path of the configuration; known are bootstrap.us-east-1.mbedcloud.com:5684/tcp, bootstrap.us-east-1.mbedcloud.com:5684/udp, `,
		"bootstrap:0":               `"bootstrap:0" is not HOST:PORT`,
		"bootstrap:x":               `"bootstrap:x" is not HOST:PORT`,
		"bootstrap/sctp":            `"sctp" is neither tcp nor udp`,
		"gateways/udp":              `gateways/udp is not a path of the configuration`,
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

func TestIdleChoosesOnePath(t *testing.T) {
	for target, want := range map[string]string{
		"bootstrap":              "bootstrap.us-east-1.mbedcloud.com tcp 5684",
		"bootstrap/udp":          "bootstrap.us-east-1.mbedcloud.com udp 5684",
		"bootstrap:443":          "bootstrap.us-east-1.mbedcloud.com tcp 443",
		"bootstrap:5684/tcp":     "bootstrap.us-east-1.mbedcloud.com tcp 5684",
		"udp-lwm2m":              "udp-lwm2m.us-east-1.mbedcloud.com udp 5684",
		"[2001:db8::1]:5684/udp": "2001:db8::1 udp 5684",
		"2001:db8::1":            "2001:db8::1 tcp 443",
	} {
		cfg := config.Default()
		cfg.Endpoints = append(cfg.Endpoints, config.Endpoint{Host: "2001:db8::1", Paths: []measurement.Path{
			{Transport: "udp", Port: 5684}, {Transport: "tcp", Port: 443},
		}})
		if err := onlyPath(cfg, target); err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		e := cfg.Endpoints[0]
		got := fmt.Sprintf("%s %s %d", e.Host, e.Paths[0].Transport, e.Paths[0].Port)
		if got != want || len(cfg.Endpoints) != 1 || len(e.Paths) != 1 {
			t.Errorf("%s: %s of %d, want %s", target, got, len(cfg.Endpoints), want)
		}
	}
	if whole := config.Default(); !slices.ContainsFunc(whole.Endpoints, func(e config.Endpoint) bool { return len(e.Paths) > 1 }) {
		t.Error("the built-in catalogue was changed")
	}
}

func TestIdleIsAmongTheCommands(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"idle", "--help"}, &stdout, &stderr)
	if help := stdout.String() + stderr.String(); code != exitOK || !regexp.MustCompile(`--keepalive=DURATION`).MatchString(help) {
		t.Errorf("exit code %d\n%s", code, help)
	}
}

func TestTheResultOfASilenceFitsATerminal(t *testing.T) {
	const result = "Asked by a CoAP ping after each silence:\n" +
		"      60 s  survived\n" +
		"     180 s  dropped without a word, while a fresh connection is answered\n" +
		"Result: a silence of 60 s survives.\n"
	const want = "Asked by a CoAP ping after each silence:\n" +
		"      60 s  survived\n" +
		"     180 s  dropped without a word,\n" +
		"            while a fresh connection is\n" +
		"            answered\n" +
		"Result: a silence of 60 s survives.\n"
	if got := wrapped(result, 40); got != want {
		t.Errorf("\n%s", got)
	}
}
