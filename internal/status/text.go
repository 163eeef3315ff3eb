package status

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
)

// Palette colours the words of the table that carry the verdict; the zero value leaves them plain.
type Palette struct{ Good, Bad, Doubt, Strong, Off string }

// ANSI is the palette of a terminal.
var ANSI = Palette{Good: "\x1b[32m", Bad: "\x1b[1;31m", Doubt: "\x1b[33m", Strong: "\x1b[1m", Off: "\x1b[0m"}

// word pads a verdict to the width of its column and colours it by state.
func (p Palette) word(text string, width int, s State) string {
	colour := p.Doubt
	switch s {
	case Up:
		colour = p.Good
	case Down:
		colour = p.Bad
	}
	return colour + text + p.Off + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// Text writes the table that a person reads: each host with its paths, its resolvers, and below all what to do.
func Text(w io.Writer, v *View, p Palette) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s%s, seen from %s at %s, in %s\n", p.Strong, v.headline(), p.Off,
		v.Site, v.Started.UTC().Format("2006-01-02 15:04:05 UTC"), seconds(v.Finished.Sub(v.Started).Seconds()))
	addressWidth := len("address")
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			for k := range v.Hosts[i].Paths[j].Addresses {
				addressWidth = max(addressWidth, len(v.Hosts[i].Paths[j].Addresses[k].Address))
			}
		}
	}
	for i := range v.Hosts {
		h := &v.Hosts[i]
		fmt.Fprintf(&b, "\n%s%s%s (%s)\n", p.Strong, h.Host, p.Off, h.Service)
		for j := range h.Paths {
			textPath(&b, &h.Paths[j], addressWidth, p)
		}
		for j := range h.Resolvers {
			textResolver(&b, &h.Resolvers[j], h.Authority, p)
		}
	}
	if todo := v.todo(); len(todo) > 0 {
		fmt.Fprintf(&b, "\n%sWhat to do%s\n", p.Strong, p.Off)
		for i, t := range todo {
			fmt.Fprintf(&b, "%3d. %s\n", i+1, wrap(t, 100, "     "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// headline says in one line how the site stands.
func (v *View) headline() string {
	var up, down, unknown int
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			switch v.Hosts[i].Paths[j].State {
			case Up:
				up++
			case Down:
				down++
			default:
				unknown++
			}
		}
	}
	if v.Healthy {
		return fmt.Sprintf("All %d paths carry a device", up)
	}
	out := fmt.Sprintf("%d of %d paths carry a device", up, up+down+unknown)
	if unknown > 0 {
		out += fmt.Sprintf(", %d not known for want of time", unknown)
	}
	return out
}

func textPath(b *strings.Builder, path *Path, addressWidth int, p Palette) {
	name := fmt.Sprintf("%s %d", path.Transport, path.Port)
	if len(path.Addresses) == 0 {
		fmt.Fprintf(b, "  %s  %-9s  %-*s  %8s  %s\n", verdictWord(p, path.State), name, addressWidth, "–", "–", reasonText(path.Reason, path.Seen))
	}
	for i := range path.Addresses {
		a := &path.Addresses[i]
		state := stateOfReason(a.Reason)
		took := "–"
		if s, ok := a.handshake(); ok {
			took = seconds(s)
		}
		fmt.Fprintf(b, "  %s  %-9s  %-*s  %8s  %s\n", verdictWord(p, state), name, addressWidth, a.Address, took, a.line())
		name = "" // the path is named once; what follows are its other addresses
	}
	if path.Omitted > 0 {
		fmt.Fprintf(b, "        %-9s  and %d more, not probed\n", "", path.Omitted)
	}
	if path.Idle != nil && path.Idle.Why != "" {
		fmt.Fprintf(b, "        %-9s  %s\n", "", path.Idle.Why)
	}
}

func verdictWord(p Palette, s State) string {
	switch s {
	case Up:
		return p.word("ok", 4, s)
	case Down:
		return p.word("FAIL", 4, s)
	}
	return p.word("?", 4, s)
}

func stateOfReason(r diagnose.Reason) State {
	return stateOf(r == diagnose.OK, r != diagnose.OutOfTime)
}

func reasonText(reason diagnose.Reason, seen string) string {
	switch {
	case reason == diagnose.OK:
		return seen
	case seen == "":
		return string(reason)
	}
	return string(reason) + ": " + seen
}

// line says of one address what was seen: the failure, or who signed and how far the session came.
func (a *Address) line() string {
	var parts []string
	if a.Reason != diagnose.OK {
		parts = append(parts, reasonText(a.Reason, a.Seen))
	} else if c := a.Certificate; c != nil {
		parts = append(parts, "signed by "+commonName(c.Issuer), "until "+c.NotAfter.UTC().Format(time.DateOnly))
	}
	if a.Withdrawn {
		parts = append(parts, "withdrawn from the zone")
	}
	if a.CoAP != "" {
		parts = append(parts, "ping "+a.CoAP)
	}
	if a.Retransmissions > 0 {
		parts = append(parts, fmt.Sprintf("sent again %d times", a.Retransmissions))
	}
	return strings.Join(parts, ", ")
}

// commonName shortens a name to its CN where it has one.
func commonName(name string) string {
	for part := range strings.SplitSeq(name, ", ") {
		if cn, ok := strings.CutPrefix(part, "CN="); ok {
			return cn
		}
	}
	return name
}

func textResolver(b *strings.Builder, r *Resolver, authority *Authority, p Palette) {
	state, word := Up, "ok"
	var said string
	switch {
	case r.Failure != "":
		state, word = Down, "FAIL"
		said = strings.TrimSuffix(r.Failure+": "+r.Detail, ": ")
	default:
		said = plural(len(r.Addresses), "address", "addresses")
		if r.TTLSeconds != nil {
			said += fmt.Sprintf(", TTL %g s", *r.TTLSeconds)
		}
		if authority != nil && authority.TTLSeconds > 0 {
			said += fmt.Sprintf(" (the zone says %g s)", authority.TTLSeconds)
		}
	}
	switch r.Verdict {
	case "stale":
		state, word = Down, "STALE"
	case "suspect", "unknown":
		if r.Failure == "" {
			state, word = Unknown, "?"
		}
	}
	fmt.Fprintf(b, "  %s  dns %s: %s\n", p.word(word, 4, state), r.Resolver, said)
	if r.Why != "" && r.Verdict != "ok" {
		fmt.Fprintf(b, "        %s\n", wrap(r.Why, 100, "        "))
	}
}

// todo lists what a person should do, each thing once, worst first.
func (v *View) todo() []string {
	var first, then []string
	said := make(map[string]bool)
	add := func(to *[]string, text string) {
		if text != "" && !said[text] {
			said[text] = true
			*to = append(*to, text)
		}
	}
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Paths {
			to := &then
			if h.Paths[j].Class == diagnose.ClassInterception {
				to = &first
			}
			add(to, h.Paths[j].Advice)
		}
		for j := range h.Resolvers {
			if h.Resolvers[j].Verdict == "stale" {
				add(&first, h.Resolvers[j].Why)
			}
		}
		for _, advice := range h.Advice {
			add(&then, advice)
		}
	}
	return append(first, then...)
}

// seconds writes a duration for a table: milliseconds below one second.
func seconds(s float64) string {
	switch {
	case s < 0.01:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case s < 1:
		return fmt.Sprintf("%.0f ms", s*1e3)
	}
	return fmt.Sprintf("%.1f s", s)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// wrap breaks a text between words so that no line is longer than width, and indents all lines but the first.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
