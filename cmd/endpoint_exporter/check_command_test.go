package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// TestCheckCommand runs the whole check command against a lab in memory. A space in a pattern matches any
// white space, since the output is wrapped.
func TestCheckCommand(t *testing.T) {
	public := func(config string) string { return strings.ReplaceAll(config, "addresses: any", "addresses: public") }
	for name, test := range map[string]struct {
		habit    string // of the resolver
		where    string // the paths with the fault
		fault    string
		hosts    int // of the lab; 0: all
		config   func(string) string
		flags    check
		code     int
		patterns []string
		absent   []string
	}{
		"unknown name: no address, said once": {
			habit: "nxdomain", code: exitUnhealthy,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. Something is wrong: none of the 12 paths carries a device \(12 without an address\) The site's DNS server gives no address for any of the 7 hosts \(127[0-9.:]*: the name does not exist\)`,
				` - dig @127[0-9.]* -p \d+ bootstrap.us-east-1.mbedcloud.com `},
			absent: []string{`the name does not exist.*the name does not exist`},
		},
		"server cannot resolve: no access to the Internet": {
			habit: "servfail", code: exitUnhealthy, patterns: []string{`cannot find any of the 7 hosts`, `no access to the Internet`},
		},
		"server does not answer: no answer in time": {
			habit: "silent", code: exitUnhealthy, patterns: []string{`does not answer \(127[0-9.:]*: no answer in time\)`, ` - ip route `},
		},
		"address of this machine: sinkhole": {
			config: public, flags: check{targets: []string{"bootstrap"}}, code: exitUnhealthy,
			patterns: []string{`sinkhole: the name resolves to 127\.[0-9.]*, which cannot be the cloud`, ` 1\. The site's DNS server diverts bootstrap`},
		},
		"records with a connection id dropped: what to let pass": {
			where: "*/udp", fault: lab.DropConnectionIDs, hosts: 1, code: exitUnhealthy,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. Something is wrong: 2 of 3 paths carry a device \(1 blocked\)`,
				` FAIL udp \d+ .* silent: records with a connection id \(DTLS content type 25\) are lost: without one the handshake completes`,
				` 1\. DTLS records with a connection id are dropped on .* let DTLS records of the content type 25 pass`},
		},
		"a link of 1.1 s each way: slow, not blocked": {
			where: "*", fault: "slow:1100ms", hosts: 1, code: exitOK, patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. All is well: all 3 paths carry a device`, ` ok tcp \d+ [0-9.]+ 2\.2 s signed by`},
		},
		"watch, records kept too long: until proved stale": {
			habit: "min_ttl:600", hosts: 1, flags: check{watch: 4 * time.Hour}, code: exitUnhealthy,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. Something is wrong: all 3 paths carry a device; DNS server 127[0-9.:]* keeps records past their TTL `,
				` STALE  dns .*, TTL \d+ s, the zone's is 60 s; proved`, `lower its minimum`},
			absent: []string{`Not known yet`},
		},
		"watch, honest server: until known": {
			hosts: 1, flags: check{watch: 4 * time.Hour, output: "json"}, code: exitOK,
			patterns: []string{`"healthy": true`, `"verdict": "ok"`},
		},
		"watch too short: still learning": {
			hosts: 1, flags: check{watch: time.Minute}, code: exitOK,
			patterns: []string{`^Configuration: \S+; DNS server: 127[0-9.:]*\. All is well`, `still learning: 14 min left`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inMemory(t, func(t *testing.T, network *memnet.Network) {
				o := lab.Options{Network: network}
				if test.hosts > 0 {
					o.Hosts = lab.Izuma()[:test.hosts]
				}
				l := startLab(t, o)
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
				checkCommand(t, network.Dial, config, test.flags, test.code, test.patterns, test.absent)
			})
		})
	}
}

// checkCommand runs the check command and compares its exit code and its standard output.
func checkCommand(t *testing.T, dial dialFunc, config string, k check, code int, patterns, absent []string) {
	t.Helper()
	k.common = &common{configFile: configFile(t, config), logLevel: "info", logFormat: "logfmt", dial: dial}
	k.interval = 15 * time.Second // the flag's default
	var stdout, stderr bytes.Buffer
	if got := k.run(t.Context(), &stdout, &stderr); got != code || stderr.Len() > 0 {
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
