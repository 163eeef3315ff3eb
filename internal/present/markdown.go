package present

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Markdown writes the evidence that a technician sends to the network's owner: first what is asked for, ready to paste
// into a ticket; then from where and when, which hosts, addresses and ports, what was seen, and what was expected.
func Markdown(w io.Writer, v *View) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Reachability of the device cloud from %s\n\n", cell(v.Site))
	fmt.Fprintf(&b, "%s.", cell(v.Verdict))
	if v.Cause != "" {
		b.WriteString(" " + cell(v.Cause))
	}
	fmt.Fprintf(&b, "\n\nMeasured %s from %s by endpoint\\_exporter, which walks each path as a device does.\n", v.Started.UTC().Format(moment), cell(v.from()))
	v.markdownRequests(&b)
	b.WriteString("\n## What was seen\n\n| host | path | from | to | result | seen | expected signer |\n|---|---|---|---|---|---|---|\n")
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Paths {
			markdownPath(&b, h.Host, &h.Paths[j])
		}
	}
	if v.resolvers() {
		b.WriteString("\n## Name resolution\n\n| host | DNS server | answer | TTL | the zone's TTL | records kept past their TTL? |\n|---|---|---|---|---|---|\n")
		for i := range v.Hosts {
			h := &v.Hosts[i]
			for j := range h.Resolvers {
				markdownResolver(&b, h, &h.Resolvers[j])
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (v *View) resolvers() bool {
	for i := range v.Hosts {
		if len(v.Hosts[i].Resolvers) > 0 {
			return true
		}
	}
	return false
}

// markdownRequests writes what the network's owner is asked for.
func (v *View) markdownRequests(b *strings.Builder) {
	b.WriteString("\n## What is asked for\n")
	asked := v.requests()
	if len(asked) == 0 {
		b.WriteString("\nNothing: what was seen asks for no change of the network.\n")
		return
	}
	b.WriteString("\nDevices on this network cannot reach their cloud, or not reliably. Please make the following changes")
	if v.heardNobody() { // the cause may as well be the machine that looked
		b.WriteString(", after a look at whether the machine that this was measured from is on the network itself")
	}
	b.WriteString(".\n\n")
	for i, r := range asked {
		fmt.Fprintf(b, "%d. %s\n", i+1, cell(r.Text))
		for _, one := range r.For {
			fmt.Fprintf(b, "   - %s\n", cell(one))
		}
	}
}

// heardNobody reports whether no DNS server answered at all, for any host.
func (v *View) heardNobody() bool {
	asked := false
	for i := range v.Hosts {
		for _, r := range v.Hosts[i].Resolvers {
			switch measurement.DNSFailure(r.Failure) {
			case measurement.DNSTimeout, measurement.DNSUnreachable:
				asked = true
			default:
				return false
			}
		}
	}
	return asked
}

func markdownPath(b *strings.Builder, host string, p *Path) {
	row := func(from, to, result, seen, expected string) {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n",
			cell(host), cell(p.name()), cell(from), cell(to), cell(result), cell(seen), cell(expected))
	}
	if len(p.Addresses) == 0 {
		row("", "", resultWord(p.Reason), p.Seen, "")
	}
	for i := range p.Addresses {
		a := &p.Addresses[i]
		seen, expected := a.Seen, ""
		switch c := a.Certificate; {
		case c == nil:
		case a.Reason == diagnose.OK:
			seen, expected = "signed by "+commonName(c.Issuer), commonName(c.Expected)
		default:
			expected = c.Expected
			seen += fmt.Sprintf(" (certificate of %s, public key SHA-256 %s, valid until %s)",
				c.Subject, c.PublicKeySHA256, c.NotAfter.UTC().Format(time.DateOnly))
		}
		if said := a.unfinished(); said != "" {
			seen = strings.TrimPrefix(seen+"; "+said, "; ")
		}
		to := a.Address
		if a.Withdrawn {
			to += " (withdrawn from the zone)"
		}
		row(a.Local, to, resultWord(a.Reason), seen, expected)
	}
	if p.Omitted > 0 {
		row("", fmt.Sprintf("%d more", p.Omitted), "not probed", "", "")
	}
}

func resultWord(r diagnose.Reason) string {
	switch r {
	case diagnose.OK:
		return "passes"
	case diagnose.OutOfTime:
		return "not known"
	}
	return "fails: " + string(r)
}

func markdownResolver(b *strings.Builder, h *Host, r *Resolver) {
	answer := strings.Join(r.Addresses, ", ")
	switch {
	case r.cutOff():
		answer = "not known: the round ended first"
	case r.failed():
		answer = "fails: " + strings.TrimSuffix(r.Failure+": "+r.Detail, ": ")
	case len(r.astray) > 0:
		answer += " (" + plural(len(r.Addresses), "", list(r.astray)+" ") + "cannot be the cloud)"
	}
	var ttl, zone string
	if r.TTLSeconds != nil {
		ttl = fmt.Sprintf("%g s", *r.TTLSeconds)
	}
	if h.Authority != nil && h.Authority.TTLSeconds > 0 {
		zone = fmt.Sprintf("%g s", h.Authority.TTLSeconds)
	}
	judged := map[string]string{"ok": "no", "stale": "yes, proved", "suspect": "suspected", "unknown": "not known"}[r.Verdict]
	if r.Why != "" && r.Verdict != "ok" {
		judged += ": " + r.Why
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", cell(h.Host), cell(r.shown), cell(answer), ttl, zone, cell(judged))
}

// markup is what Markdown would take for markup, in a table's cell or in a line of text; also what some renderers turn
// into links. What came from the network must stay text.
var markup = strings.NewReplacer(
	"\\", `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`,
	"[", `\[`, "]", `\]`, "://", `:\//`, "www.", `www\.`, "WWW.", `WWW\.`, "$", `\$`, "\n", " ",
)

// cell makes a text safe in Markdown.
func cell(s string) string { return markup.Replace(s) }
