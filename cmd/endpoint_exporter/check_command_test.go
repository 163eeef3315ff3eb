package main

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// TestCheckCommand runs the whole check command against a lab in memory. A space in a pattern matches any
// white space, since the output is wrapped.
func TestCheckCommand(t *testing.T) {
	public := func(config string) string { return strings.ReplaceAll(config, "addresses: any", "addresses: public") }
	for name, test := range map[string]struct {
		habit     string // of the resolver
		where     string // the paths with the fault
		fault     string
		hosts     int // of the lab; 0: all
		addresses int // of each host; 0: one
		config    func(string) string
		flags     check
		during    func(*testing.T, *lab.Lab) // runs at the same time
		code      int
		patterns  []string
		absent    []string
	}{
		"unknown name: no address, said once": {
			habit: "nxdomain", code: exitUnhealthy,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. Something is wrong: none of the 12 paths carries a device \(12 without an address\) The site's DNS server gives no address for any of the 7 hosts \(127[0-9.:]*: the name does not exist\)`,
				` - dig @127[0-9.]* -p \d+ bootstrap.us-east-1.mbedcloud.com `},
			absent: []string{`the name does not exist.*the name does not exist`},
		},
		"unknown name of one host: check the spelling first": {
			habit: "nxdomain", hosts: 1, code: exitUnhealthy,
			patterns: []string{` 1\. \(3 of 3 paths\) No DNS server gives an address for bootstrap\S+ devices cannot find it\. Check the spelling of the name first\. If it is right, ask`},
		},
		"server cannot resolve one host: its administrator": {
			habit: "servfail", hosts: 1, code: exitUnhealthy, patterns: []string{`devices cannot find it\. Ask the administrator`}, absent: []string{`spelling`},
		},
		"server cannot resolve: no access to the Internet": {
			habit: "servfail", code: exitUnhealthy, patterns: []string{`cannot find any of the 7 hosts`, `no access to the Internet`},
		},
		"server does not answer: no answer in time": {
			habit: "silent", code: exitUnhealthy, patterns: []string{`does not answer \(127[0-9.:]*: no answer in time\)`, ` - ip route `},
		},
		"unspecified address: sinkhole, also where any address is allowed": {
			habit: "sinkhole", hosts: 1, code: exitUnhealthy,
			patterns: []string{`sinkhole: the name resolves to 0\.0\.0\.0, which cannot be the cloud`, ` 1\. \(3 of 3 paths\) The site's DNS server diverts bootstrap\S+ to 0\.0\.0\.0, which`,
				`exempt the name from DNS filtering\.`},
		},
		"address of this machine: sinkhole": {
			config: public, flags: check{targets: []string{"bootstrap"}}, code: exitUnhealthy,
			patterns: []string{`sinkhole: the name resolves to 127\.[0-9.]*, which cannot be the cloud`, ` 1\. \(3 of 3 paths\) The site's DNS server diverts bootstrap`},
		},
		"records with a connection id dropped: what to let pass": {
			where: "*/udp", fault: lab.DropConnectionIDs, hosts: 1, code: exitUnhealthy,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. Something is wrong: 2 of 3 paths carry a device \(1 blocked\)`,
				` FAIL udp \d+ .* silent: records with a connection id \(DTLS content type 25\) are lost: without one the handshake completes`,
				` 1\. \(1 of 3 paths\) DTLS records with a connection id are dropped on .* let DTLS records of the content type 25 pass`},
		},
		"unfit certificates at three addresses: one sentence": {
			where: "bootstrap/tcp:5684", fault: lab.RSALeaf, hosts: 1, addresses: 3, code: exitUnhealthy,
			patterns: []string{` FAIL tcp \d+ \S+ \S+ ms device_unfit: a device cannot use the server's certificates: the server's certificate has a key of type RSA; ` +
				`devices accept only ECDSA on P-256 FAIL \S+ \S+ ms as above FAIL \S+ \S+ ms as above ok `,
				` 1\. \(1 of 3 paths\) A device cannot use the server's answer on TCP \d+ to bootstrap\S+ \([^)]*\)\. Send this report to the cloud's operator\.\s*$`},
			absent: []string{`type RSA.*type RSA`, ` 2\. `},
		},
		"a link of 1.1 s each way: slow, not blocked": {
			where: "*", fault: "slow:1100ms", hosts: 1, code: exitOK, patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. All is well: all 3 paths carry a device`, ` ok tcp \d+ [0-9.]+ 2\.2 s signed by`},
		},
		"watch, records kept too long: until proved stale": {
			habit: "min_ttl:600", hosts: 1, flags: check{watch: 2 * time.Hour, interval: time.Minute}, code: exitUnhealthy,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. Nothing is proved wrong`, ` STALE DNS server 127[0-9.:]* for bootstrap\.\S+: proved to keep records past their TTL: it `,
				`Something was wrong: \d+ of 120 rounds failed Watched from .* The last round that failed: Configuration: \S+; DNS server: 127[0-9.:]*\. Something is wrong: all 3 paths carry a device; DNS server 127[0-9.:]* keeps records past their TTL `,
				` STALE  dns .*, TTL \d+ s[^;]*; proved`, `lower its minimum`},
		},
		"watch, honest server: each event a line": {
			hosts: 1, flags: check{watch: 20 * time.Minute, output: "json"}, code: exitOK,
			patterns: []string{`^{"event":"report",[^\n]+"healthy":true[^\n]+}\n{"event":"change",[^\n]+"resolver":"127[^\n]+"state":"up",[^\n]+keeps no record past its TTL"}}\n` +
				`{"event":"summary",[^\n]+"rounds":80,"failed":0,[^\n]+"connect_seconds":{"min":0.002,"median":0.002,[^\n]+"verdict":"ok"[^\n]+}\n$`},
		},
		"watch too short for a verdict: still learning, the report is not repeated": {
			hosts: 1, flags: check{watch: time.Minute}, code: exitOK,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. All is well`, `still learning: 15 min left`, `Watching for 1m, one round every 15s`,
				`All was well: none of 4 rounds failed Watched from \S+ \S+ UTC to \S+ \S+ UTC\.`, ` ok tcp \d+ bootstrap\S+ 4 0 0% 2\.0/2\.0/2\.0 [0-9./]+`},
			absent: []string{`All is well.*All is well`, `The last round`},
		},
		"watch shorter than the interval: only one round": {
			hosts: 1, flags: check{watch: 12 * time.Second}, code: exitOK,
			patterns: []string{`Only one round fits into --watch=12s, because a round begins every 15s`, `All was well: the round did not fail`},
		},
		"interception from second 8 to 30: seen, exit 1": {
			hosts: 1, flags: check{watch: time.Minute}, code: exitUnhealthy,
			during: interceptedFor24Seconds,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. All is well`,
				`\n[0-9-]+ [0-9:]+ FAIL TCP \d+ and TCP \d+ to bootstrap[^:]+: wrong_issuer: signed by "SSLInspect"[^\n]+; before, for 15s: ok\n` +
					`[0-9-]+ [0-9:]+ ok TCP \d+ and TCP \d+ to bootstrap\S+: carry a device; before, for 30s: wrong_issuer\n`,
				`Something was wrong: 2 of 4 rounds failed`, ` ok tcp \d+ bootstrap\S+ 4 2 50% `, ` ok udp \d+ bootstrap\S+ 4 0 0% `,
				`The last round that failed: Configuration.* Something is wrong: .* 1\. \(2 of 3 paths\) TLS is inspected on `},
		},
		"interception, for the network's owner: the failing round": {
			hosts: 1, flags: check{watch: time.Minute, output: "markdown"}, code: exitUnhealthy,
			during:   interceptedFor24Seconds,
			patterns: []string{`^# Reach.*wrong\\_issuer.*## All rounds Something was wrong: 2 of 4 rounds failed, from .*\| 4 \| 2 \| 50% \|`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				o := lab.Options{Network: network, Addresses: test.addresses}
				if test.hosts > 0 {
					o.Hosts = lab.Izuma()[:test.hosts]
				}
				l := labtest.Start(t, o)
				if test.habit != "" {
					if err := l.Set("resolver", test.habit); err != nil {
						t.Fatal(err)
					}
				}
				if test.fault != "" {
					if err := l.Set(test.where, test.fault); err != nil {
						t.Fatal(err)
					}
				}
				config := l.Config()
				if test.config != nil {
					config = test.config(config)
				}
				if test.during != nil {
					go test.during(t, l)
				}
				checkCommand(t, network.Dial, config, test.flags, test.code, test.patterns, test.absent)
			})
		})
	}
}

// interceptedFor24Seconds intercepts TCP from the 8th second of virtual time on.
func interceptedFor24Seconds(t *testing.T, l *lab.Lab) {
	t.Helper()
	<-time.After(8 * time.Second)
	set(t, l, "*/tcp", "intercept")
	<-time.After(24 * time.Second)
	set(t, l, "*/tcp", "none")
}

// set sets a fault of a lab.
func set(t *testing.T, l *lab.Lab, where, fault string) {
	t.Helper()
	if err := l.Set(where, fault); err != nil {
		t.Error(err)
	}
}

// checkCommand runs the check command and compares its exit code and its standard output.
func checkCommand(t *testing.T, dial dialFunc, config string, k check, code int, patterns, absent []string) {
	t.Helper()
	k.common = &common{configFile: configFile(t, config), logLevel: "info", logFormat: "logfmt", dial: dial}
	k.interval = cmp.Or(k.interval, 15*time.Second) // the flags' defaults
	k.output = cmp.Or(k.output, "text")
	var stdout, stderr bytes.Buffer
	got := k.run(t.Context(), &stdout, &stderr)
	for range 4 { // on an overloaded machine a round may have no verdict, and says so
		if !strings.Contains(stdout.String(), "suspended or overloaded") {
			break
		}
		t.Logf("repeated: %s", &stdout)
		stdout.Reset()
		stderr.Reset()
		got = k.run(t.Context(), &stdout, &stderr)
	}
	if got != code || stderr.Len() > 0 {
		t.Errorf("exit code %d, want %d; stderr %q", got, code, &stderr)
	}
	matches := func(pattern string) bool {
		return regexp.MustCompile("(?s)" + strings.ReplaceAll(pattern, " ", `\s+`)).MatchString(stdout.String())
	}
	for _, pattern := range patterns {
		if !matches(pattern) {
			t.Errorf("no match of %s", pattern)
		}
	}
	for _, pattern := range absent {
		if matches(pattern) {
			t.Errorf("a match of %s", pattern)
		}
	}
	if t.Failed() {
		t.Logf("output:\n%s", &stdout)
	}
}
