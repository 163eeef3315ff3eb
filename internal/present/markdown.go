package present

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// Markdown writes the evidence that a technician sends to the network's owner: first what is asked for, ready to paste
// into a ticket; then from where and when, which hosts, addresses and ports, what was measured, and what was expected.
func Markdown(w io.Writer, v *View) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Reachability of the device cloud from %s\n\n", cell(v.Site))
	fmt.Fprintf(&b, "%s.", cell(v.Verdict))
	if v.Cause != "" {
		b.WriteString(" " + cell(v.Cause))
	}
	fmt.Fprintf(&b, "\n\nMeasured %s from %s by endpoint\\_exporter %s, which connects on each path as a device does.\n",
		localMomentText(v.Started), cell(fromText(v)), cell(v.ExporterVersion))
	fmt.Fprintf(&b, "%s\n", cell(sourceText(v)))
	if note := authorityPathText[v.AuthorityPath]; note != "" {
		b.WriteString("\n" + cell(note) + "\n")
	}
	markdownRequests(&b, v)
	b.WriteString("\n## What was measured\n\n| host | path | from | to | result | observation | expected signer |\n|---|---|---|---|---|---|---|\n")
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Paths {
			markdownPath(&b, h.Host, &h.Paths[j])
		}
	}
	markdownTraces(&b, v)
	if len(v.summary.Resolvers) > 0 {
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

// markdownRequests writes what the network's owner is asked for.
func markdownRequests(b *strings.Builder, v *View) {
	b.WriteString("\n## Requested changes\n")
	asked := requests(v.summary)
	if len(asked) == 0 {
		b.WriteString("\nNone: the measurement asks for no change to the network.\n")
		return
	}
	b.WriteString("\nDevices on this network cannot reach their cloud, or not reliably. Please make the following changes")
	if v.summary.Cause == report.CauseResolversSilent { // the machine itself may be off the network
		b.WriteString(", after checking that the machine that measured this is on the network itself")
	}
	b.WriteString(".\n\n")
	for i, r := range asked {
		fmt.Fprintf(b, "%d. %s\n", i+1, cell(text(r.Text)))
		for _, one := range r.For {
			fmt.Fprintf(b, "   - %s\n", cell(text(one)))
		}
	}
}

func markdownPath(b *strings.Builder, host string, p *Path) {
	row := func(from, to, result, observation, expected string) {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", cell(host),
			cell(pathName(p.path())), cell(from), cell(to), cell(result), cell(observation), cell(expected))
	}
	if len(p.Addresses) == 0 {
		row("", "", resultText(p.Reason, noDoubt), p.Seen, "")
	}
	for i := range p.Addresses {
		a := &p.Addresses[i]
		to, expected := a.Address, ""
		if a.Withdrawn {
			to += " (withdrawn from the zone)"
		}
		if a.Certificate != nil {
			expected = a.Certificate.Expected
		}
		row(a.Local, to, resultText(a.Reason, a.doubt()), observationText(a), expected)
	}
	if p.Omitted > 0 {
		row("", omittedText(p.Omitted), "not known", "", "")
	}
	if p.Idle != nil {
		if line := idleLine(p.Idle); line != "" {
			row("", "", "silence", line, "")
		}
	}
}

// observationText is the evidence of one walk: what was seen, the certificate in full if it is the wrong one, and
// times.
func observationText(a *Address) string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(a.Seen)
	if c := a.Certificate; c != nil {
		if a.Reason == reason.OK {
			add("signed by " + c.Issuer)
		} else {
			add(fmt.Sprintf("certificate of %s, issued by %s, public key SHA-256 %s, valid from %s to %s, in answer to the %s hello",
				c.Subject, c.Issuer, c.PublicKeySHA256, c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), helloOf(c.SeenBy)))
		}
	}
	add(unfinishedText(a))
	if a.RTTSeconds > 0 {
		add("round-trip time " + seconds(a.RTTSeconds))
	}
	if a.FirstReply > 0 {
		add("first datagram back after " + seconds(a.FirstReply))
	}
	if a.BehindNAT {
		add("behind a NAT")
	}
	return strings.Join(parts, "; ")
}

func helloOf(c measurement.Client) string {
	if c == measurement.Web {
		return "browser's"
	}
	return "device's"
}

func resultText(r reason.Reason, doubt doubt) string {
	if r == reason.OK && doubt != noDoubt {
		return string(doubt)
	}
	if r == reason.OK {
		return "passes"
	}
	if r == reason.OutOfTime {
		return "not known"
	}
	return "fails: " + string(r)
}

func markdownResolver(b *strings.Builder, h *Host, r *Resolver) {
	answer := strings.Join(r.Addresses, ", ")
	switch {
	case r.Failure == measurement.DNSOutOfTime:
		answer = "not known: " + dnsFailureText[r.Failure]
	case r.Failure != measurement.DNSOK:
		answer = "fails: " + string(r.Failure) + ", " + lookupFailureText(r.Failure, r.Detail)
	case len(r.sinkholes) > 0:
		answer += " (" + list(r.sinkholes) + " cannot be the cloud)"
	}
	if r.Failure == measurement.DNSOK && r.Detail != "" {
		answer += "; " + r.Detail
	}
	var ttl, zone string
	if r.TTLSeconds != nil {
		ttl = fmt.Sprintf("%g s", *r.TTLSeconds)
	}
	if a := h.Authority; a != nil {
		if a.TTLSeconds > 0 {
			zone = fmt.Sprintf("%g s", a.TTLSeconds)
		} else {
			zone = a.Why
		}
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", cell(h.Host), cell(r.name), cell(answer), ttl, cell(zone), cell(stalenessCell(r)))
}

// stalenessCell answers whether records are kept past their TTL.
func stalenessCell(r *Resolver) string {
	switch r.Verdict {
	case staleness.OK:
		return "no"
	case staleness.Stale:
		return withDetail("yes, proved", r.Why)
	case staleness.Suspect:
		return withDetail("suspected", r.Why)
	case staleness.Unknown:
		return withDetail("not known", r.Why)
	}
	return ""
}

// markup is what Markdown would take for markup, in a table's cell or in a line of text, and what some renderers turn
// into links. Text from the network must stay text.
var markup = strings.NewReplacer(
	"\\", `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`,
	"[", `\[`, "]", `\]`, "://", `:\//`, "www.", `www\.`, "WWW.", `WWW\.`, "$", `\$`, "\n", " ",
)

// cell makes a text safe in Markdown.
func cell(s string) string { return markup.Replace(s) }
