package status

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
)

// Markdown writes the evidence that a technician sends to the network's owner: from where and when, which hosts,
// addresses and ports, what was seen, what was expected, and what is asked for.
func Markdown(w io.Writer, v *View) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Reachability of the device cloud from %s\n\n", cell(v.Site))
	fmt.Fprintf(&b, "%s. Measured %s by endpoint_exporter, walking each path as a device does.\n",
		v.headline(), v.Started.UTC().Format("2006-01-02 15:04:05 UTC"))
	b.WriteString("\n## Paths\n\n| host | path | from | to | result | seen | expected signer |\n|---|---|---|---|---|---|---|\n")
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Paths {
			markdownPath(&b, h.Host, &h.Paths[j])
		}
	}
	b.WriteString("\n## Name resolution\n\n| host | DNS server | answer | TTL | the zone's TTL | judged |\n|---|---|---|---|---|---|\n")
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Resolvers {
			markdownResolver(&b, h, &h.Resolvers[j])
		}
	}
	if todo := v.todo(); len(todo) > 0 {
		b.WriteString("\n## What is asked for\n\n")
		for i, t := range todo {
			fmt.Fprintf(&b, "%d. %s\n", i+1, cell(t))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownPath(b *strings.Builder, host string, p *Path) {
	row := func(from, to, result, seen, expected string) {
		fmt.Fprintf(b, "| %s | %s %d | %s | %s | %s | %s | %s |\n",
			cell(host), p.Transport, p.Port, cell(from), cell(to), cell(result), cell(seen), cell(expected))
	}
	if len(p.Addresses) == 0 {
		row("", "", resultWord(p.Reason), p.Seen, "")
	}
	for i := range p.Addresses {
		a := &p.Addresses[i]
		seen, expected := a.Seen, ""
		if c := a.Certificate; c != nil {
			expected = c.Expected
			if a.Reason == diagnose.OK {
				seen = "signed by " + c.Issuer
			}
			seen += fmt.Sprintf(" (certificate of %s, public key SHA-256 %s, valid until %s)",
				c.Subject, c.PublicKeySHA256, c.NotAfter.UTC().Format(time.DateOnly))
		}
		row(a.Local, a.Address, resultWord(a.Reason), seen, expected)
	}
}

func resultWord(r diagnose.Reason) string {
	if r == diagnose.OK {
		return "passes"
	}
	return "fails: " + string(r)
}

func markdownResolver(b *strings.Builder, h *Host, r *Resolver) {
	answer := strings.Join(r.Addresses, ", ")
	if r.Failure != "" {
		answer = "fails: " + r.Failure
	}
	var ttl, zone string
	if r.TTLSeconds != nil {
		ttl = fmt.Sprintf("%g s", *r.TTLSeconds)
	}
	if h.Authority != nil && h.Authority.TTLSeconds > 0 {
		zone = fmt.Sprintf("%g s", h.Authority.TTLSeconds)
	}
	judged := r.Verdict
	if r.Why != "" {
		judged += ": " + r.Why
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", cell(h.Host), cell(r.Resolver), cell(answer), ttl, zone, cell(judged))
}

// cell makes a text safe in a Markdown table: what came from the network must not become markup.
func cell(s string) string {
	return strings.NewReplacer(
		"\\", `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "\n", " ",
	).Replace(s)
}
