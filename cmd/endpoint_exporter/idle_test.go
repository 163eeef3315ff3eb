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

	"github.com/endpoint-exporter/endpoint_exporter/internal/catalogue"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

func TestIdleEndsInASentenceAndAnExitCode(t *testing.T) {
	const host = bootstrapHost
	for name, test := range map[string]struct {
		where, fault string
		limit        time.Duration
		target       string
		flags        silence
		code         int
		says         []string
	}{
		"all survives": {
			target: host, flags: silence{steps: "50ms,1s", keepalive: time.Second}, code: exitOK,
			says: []string{"), tcp port DEVICE, asked by a CoAP ping after each silence\n", "\n    0.05 s  survived\n       1 s  survived\n",
				"\nResult: a silence of 1 s survives.\n", "60 s (Edge) is not known to survive", "\nA keepalive of 1 s survives here.\n"},
		},
		"a NAT that resets": {
			where: "bootstrap/tcp", fault: "nat_resets:700ms", target: "bootstrap:DEVICE", flags: silence{steps: "50ms", keepalive: 2 * time.Second}, code: exitWrong,
			says: []string{"       2 s  reset: RST in answer to what was sent after it\n", "Result: a silence of 0.05 s survives; after 2 s the connection is lost: RST",
				"540 s (the C client's default) does not survive", "\nA keepalive of 2 s does not survive here.\n"},
		},
		"a NAT that resets, and nobody asks for a keepalive": {
			where: "bootstrap/tcp", fault: "nat_resets:700ms", target: host, flags: silence{steps: "50ms,2s"}, code: exitOK,
			says: []string{"after 2 s the connection is lost"},
		},
		"a server with a limit": {
			limit: 700 * time.Millisecond, target: host, flags: silence{steps: "50ms,2s", keepalive: 2 * time.Second}, code: exitWrong,
			says: []string{"       2 s  closed after 0.7", "the server itself ends the connection (close_notify)"},
		},
		"UDP": {
			target: host + "/udp", flags: silence{steps: "50ms"}, code: exitOK,
			says: []string{"udp port DEVICE, asked by a CoAP ping", "Whether UDP will do here is not known. Over UDP a device sends no keepalive"},
		},
		"UDP that nothing is known of": {
			where: "bootstrap/udp", fault: lab.Refuse, target: host + ":DEVICE/udp", flags: silence{steps: "50ms", keepalive: time.Second}, code: exitWrong,
			says: []string{"Result: not known: the hello is not answered: ICMP: port unreachable.\n", "A keepalive of 1 s is not known to survive here."},
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
			if t.Failed() || stderr.Len() > 0 {
				t.Errorf("stdout:\n%s\nstderr:\n%s", &stdout, &stderr)
			}
		})
	}
}

func TestIdleThatIsInterruptedSaysWhatItSaw(t *testing.T) {
	l := bootstrapOnly(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	k := silence{common: &common{configFile: configFile(t, l.Config()), logLevel: "info", logFormat: "logfmt"}, target: bootstrapHost, steps: "50ms,1h"}
	var stdout, stderr bytes.Buffer
	if code := k.run(ctx, &stdout, &stderr); code != exitWrong || !strings.Contains(stdout.String(), "Interrupted. So far: a silence of 0.05 s survives") {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
}

func TestIdleOfAPathThatIsNotConfiguredIsAMistake(t *testing.T) {
	for args, says := range map[string]string{
		"":                          `required argument 'target' not provided`,
		"example.com":               `"example.com" is not in the configuration; known are bootstrap.us-east-1.mbedcloud.com, `,
		"bootstrap:5685":            `bootstrap:5685 is not a path of the configuration; known are bootstrap.us-east-1.mbedcloud.com:5684/tcp, bootstrap.us-east-1.mbedcloud.com:5684/udp, `,
		"bootstrap:0":               `"bootstrap:0" is not HOST:PORT`,
		"bootstrap:x":               `"bootstrap:x" is not HOST:PORT`,
		"bootstrap/sctp":            `"sctp" is neither tcp nor udp`,
		"gateways/udp":              `gateways/udp is not a path of the configuration`,
		"bootstrap --steps=30":      `--steps: "30" is not a duration such as 30s`,
		"bootstrap --steps=0s":      `silences must be longer than 0s`,
		"bootstrap --steps=25h":     `silences must be longer than 0s and no longer than 24h0m0s`,
		"bootstrap --keepalive=-1s": `silences must be longer than 0s`,
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
		config := catalogue.Default()
		config.Endpoints = append(config.Endpoints, catalogue.Endpoint{Host: "2001:db8::1", Paths: []catalogue.Path{
			{Transport: "udp", Port: 5684}, {Transport: "tcp", Port: 443},
		}})
		if err := onlyPath(config, target); err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		e := config.Endpoints[0]
		got := fmt.Sprintf("%s %s %d", e.Host, e.Paths[0].Transport, e.Paths[0].Port)
		if got != want || len(config.Endpoints) != 1 || len(e.Paths) != 1 {
			t.Errorf("%s: %s of %d, want %s", target, got, len(config.Endpoints), want)
		}
	}
	if whole := catalogue.Default(); !slices.ContainsFunc(whole.Endpoints, func(e catalogue.Endpoint) bool { return len(e.Paths) > 1 }) {
		t.Error("the built-in catalogue was changed")
	}
}

func TestIdleIsAmongTheCommands(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"idle", "--help"}, &stdout, &stderr)
	if help := stdout.String() + stderr.String(); code != exitOK || !regexp.MustCompile(`--keepalive=540s`).MatchString(help) {
		t.Errorf("exit code %d\n%s", code, help)
	}
}
