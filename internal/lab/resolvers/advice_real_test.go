//go:build realpeers

package resolvers

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// advised are the settings of the section "What to change" of docs/dns-staleness.md, by the row's product, and how each
// is written in a configuration file. The order is that of the page.
var advised = map[string]struct {
	product  Product
	settings []string // as on the page
	lines    []string // the same in a file; "": the line as on the page
}{
	"Unbound": {Unbound, []string{"cache-min-ttl: 0", "serve-expired: no", "serve-expired-client-timeout: 1800"}, []string{
		"", "", "serve-expired: yes\nserve-expired-client-timeout: 1800"}},
	"BIND": {BIND, []string{"min-cache-ttl 0", "stale-answer-client-timeout off", "stale-answer-enable no"}, []string{
		"min-cache-ttl 0;", "stale-answer-enable yes;\nstale-answer-client-timeout off;", "stale-answer-enable no;"}},
	"PowerDNS Recursor 4": {PowerDNS, []string{"minimum-ttl-override=1", "serve-stale-extensions=0"}, []string{"", ""}},
	"Knot Resolver":       {Knot, []string{"cache.min_ttl(0)", "modules.unload('serve_stale')"}, []string{"", "modules.load('serve_stale < cache')\nmodules.unload('serve_stale')"}},
	// Options to remove: the product without them is the advice.
	"dnsmasq, Pi-hole": {Dnsmasq, []string{"min-cache-ttl", "use-stale-cache", "dns.cache.optimizer"}, []string{"# nothing", "# nothing", "# nothing"}},
}

// notInstallable are the rows whose products Debian 12 does not have.
var notInstallable = []string{
	"PowerDNS Recursor 5 (`recursor.yml`)", "CoreDNS", "systemd-resolved", "any, with a local entry for the name",
}

// TestAdviceIsAccepted starts every product with every setting that docs/dns-staleness.md recommends, and checks that
// the record then has the TTL of the zone and that the list is complete.
func TestAdviceIsAccepted(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/dns-staleness.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## What to change\n")
	section, _, _ = strings.Cut(section, "\n## ")
	code := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.SplitN(strings.Trim(strings.TrimSpace(line), "| "), " | ", 2)
		if len(cells) != 2 || cells[0] == "product" {
			continue
		}
		rows++
		advice, ok := advised[cells[0]]
		if !ok {
			if !slices.Contains(notInstallable, cells[0]) {
				t.Errorf("no test of the row %q", cells[0])
			}
			continue
		}
		var settings []string
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			settings = append(settings, m[1])
		}
		if strings.Join(settings, "; ") != strings.Join(advice.settings, "; ") {
			t.Errorf("%s: the page recommends %q, tested is %q", cells[0], settings, advice.settings)
		}
		for i, setting := range advice.settings {
			t.Run(fmt.Sprintf("%s %d", advice.product, i+1), func(t *testing.T) { // short: it is part of a socket's path
				t.Parallel()
				t.Log(cells[0], setting)
				lines := advice.lines[i]
				if lines == "" {
					lines = setting
				}
				at, _ := authority(t)
				resolver := Start(t, Config{Product: advice.product, Zone: zone, Authority: at, Settings: lines + "\n"})
				if left, _ := ask(t, resolver); left > lasting {
					t.Errorf("TTL %d where the zone publishes %d", left, lasting)
				}
			})
		}
	}
	// The names of PowerDNS Recursor 5 keep version 4 from starting, so the test would notice a wrong name.
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		binary, err := exec.LookPath(string(PowerDNS))
		if err != nil {
			binary = "/usr/sbin/" + string(PowerDNS)
		}
		at, _ := authority(t)
		c := Config{Product: PowerDNS, Zone: zone, Authority: at, Settings: "minimum_ttl_override=1\n"}
		if _, err := c.run(t, binary); err == nil {
			t.Error("an unknown setting is accepted")
		}
	})
	if rows != len(advised)+len(notInstallable) {
		t.Errorf("%d rows on the page, want %d", rows, len(advised)+len(notInstallable))
	}
}
