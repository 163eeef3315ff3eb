package present

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// Palette is how a terminal shows the table: the codes that colour the words which carry the verdict, and its width. The
// zero value leaves them plain, for 100 columns.
type Palette struct {
	Good, Bad, Doubt, Strong, Off string
	Width                         int
}

// ANSI is the palette of a terminal.
var ANSI = Palette{Good: "\x1b[32m", Bad: "\x1b[1;31m", Doubt: "\x1b[33m", Strong: "\x1b[1m", Off: "\x1b[0m"}

// moment is how a time is written for a person.
const moment = "2006-01-02 15:04:05 UTC"

// Widths of the table, in columns.
const (
	usualWidth  = 100
	leastWidth  = 40
	verdictWord = 5  // "STALE"
	nameWidth   = 9  // "tcp 65535"
	tookWidth   = 7  // "12.3 ms"
	leastSaid   = 30 // narrower, and what was seen gets lines of its own
	aside       = 9  // where those begin
)

// table writes a view for a terminal.
type table struct {
	strings.Builder
	Palette
	addressWidth int
}

// Text writes what a person reads: how the site stands, each host with its paths and DNS servers, and what to do.
func Text(w io.Writer, v *View, p Palette) error {
	if p.Width == 0 {
		p.Width = usualWidth
	}
	p.Width = max(p.Width, leastWidth)
	t := table{Palette: p, addressWidth: v.addressWidth()}
	t.line(t.colour(v.state()) + Wrap(v.Verdict, t.Width, "") + t.Off)
	if v.Cause != "" {
		t.line(Wrap(v.Cause, t.Width, ""))
	}
	t.line(Wrap(fmt.Sprintf("Seen from %s at %s, in %s.", v.from(), v.Started.UTC().Format(moment),
		seconds(v.Finished.Sub(v.Started).Seconds())), t.Width, ""))
	if v.walked() || v.Cause == "" {
		for i := range v.Hosts {
			t.host(&v.Hosts[i])
		}
	} else {
		t.notWalked(v)
	}
	t.notes(v)
	t.todo(v)
	_, err := io.WriteString(w, t.String())
	return err
}

// addressWidth is that of the widest address or DNS server.
func (v *View) addressWidth() int {
	width := len("192.0.2.1")
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			for k := range v.Hosts[i].Paths[j].Addresses {
				width = max(width, utf8.RuneCountInString(v.Hosts[i].Paths[j].Addresses[k].Address))
			}
		}
		for j := range v.Hosts[i].Resolvers {
			width = max(width, utf8.RuneCountInString(v.Hosts[i].Resolvers[j].shown))
		}
	}
	return width
}

// state is that of the whole site: unknown where nothing is known to be wrong.
func (v *View) state() State {
	switch {
	case v.Healthy:
		return Up
	case strings.HasPrefix(v.Verdict, notKnown):
		return Unknown
	}
	return Down
}

// from names the machine that looked, with the addresses that it looked from.
func (v *View) from() string {
	const most = 2
	var local []string
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			for k := range v.Hosts[i].Paths[j].Addresses {
				if a := v.Hosts[i].Paths[j].Addresses[k].Local; a != "" && !slices.Contains(local, a) {
					local = append(local, a)
				}
			}
		}
	}
	if len(local) == 0 || len(local) > most {
		return v.Site
	}
	return v.Site + " (" + strings.Join(local, ", ") + ")"
}

func (t *table) colour(s State) string {
	switch s {
	case Up:
		return t.Good
	case Down:
		return t.Bad
	}
	return t.Doubt
}

// line writes one line, or several that are wrapped already.
func (t *table) line(s string) { t.WriteString(s + "\n") }

func (t *table) heading(s string) { t.line("\n" + t.Strong + s + t.Off) }

func (t *table) host(h *Host) {
	t.heading(Wrap(h.Host+" ("+h.Service+")", t.Width, ""))
	for i := range h.Paths {
		t.path(&h.Paths[i])
	}
	for i := range h.Resolvers {
		r := &h.Resolvers[i]
		word, state := r.word()
		t.row(word, state, "dns", r.shown, seconds(r.LookupSeconds), r.line(h.Authority))
	}
}

// walked: at least one path came to be walked, or was not for a reason of its own.
func (v *View) walked() bool {
	return !v.all(func(p *Path) bool { return len(p.Addresses) == 0 })
}

// notWalked lists the hosts where one cause kept every path from being walked: a table would say it once a line.
func (t *table) notWalked(v *View) {
	t.heading("Paths that were not walked")
	for i := range v.Hosts {
		t.item("  - ", v.Hosts[i].Host+": "+v.Hosts[i].names())
	}
}

// names lists a host's paths.
func (h *Host) names() string {
	names := make([]string, len(h.Paths))
	for i := range h.Paths {
		names[i] = h.Paths[i].name()
	}
	return list(names)
}

func (t *table) path(p *Path) {
	name := fmt.Sprintf("%s %d", p.Transport, p.Port)
	if len(p.Addresses) == 0 {
		word, state := wordOf(p.Reason)
		t.row(word, state, name, "–", "–", p.line())
	}
	before := ""
	for i := range p.Addresses {
		a := &p.Addresses[i]
		word, state := wordOf(a.Reason)
		said := a.line()
		if said == before {
			said = "as above"
		} else {
			before = said
		}
		t.row(word, state, name, a.Address, a.took(), said)
		name = "" // the path is named once; what follows are its other addresses
	}
	if p.Omitted > 0 {
		t.row("", Unknown, name, "", "", plural(p.Omitted, "1 more address, not probed", fmt.Sprintf("%d more addresses, not probed", p.Omitted)))
	}
	if p.Idle != nil {
		if said := p.Idle.line(); said != "" {
			t.row("", Unknown, "", "", "", said)
		}
	}
}

// row writes one line of the table, its last column wrapped in place, or below where there is no room for that.
func (t *table) row(word string, state State, name, address, took, said string) {
	pad := func(s string, width int) string { return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) }
	left := t.colour(state) + word + t.Off + pad(word, verdictWord)
	if word == "" {
		left = pad("", verdictWord)
	}
	line := "  " + left + "  " + name + pad(name, nameWidth) + "  " + address + pad(address, t.addressWidth) + "  " + pad(took, tookWidth) + took
	before := 2 + verdictWord + 2 + nameWidth + 2 + t.addressWidth + 2 + tookWidth + 2
	switch {
	case said == "":
		t.line(strings.TrimRight(line, " "))
	case t.Width-before >= leastSaid:
		t.line(line + "  " + Wrap(said, t.Width-before, strings.Repeat(" ", before)))
	default:
		indent := strings.Repeat(" ", aside)
		if word != "" || name != "" {
			t.line(strings.TrimRight(line, " "))
		}
		t.line(indent + Wrap(said, t.Width-aside, indent))
	}
}

func wordOf(r diagnose.Reason) (string, State) {
	switch s := stateOfReason(r); s {
	case Up:
		return "ok", s
	case Down:
		return "FAIL", s
	default:
		return "?", s
	}
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

// took is the time of the handshake.
func (a *Address) took() string {
	if s, ok := a.handshake(); ok {
		return seconds(s)
	}
	return "–"
}

// line says why no address of a path was walked. What the DNS servers said stands in their own lines.
func (p *Path) line() string {
	if p.Reason == diagnose.DNSFailed {
		return reasonText(p.Reason, "no address")
	}
	return reasonText(p.Reason, p.Seen)
}

// soon is how long before a certificate's end the table tells its date.
const soon = 30 * 24 * time.Hour

// line says of one address what was seen: the failure, or who signed and how far the session came.
func (a *Address) line() string {
	var parts []string
	if a.Withdrawn {
		parts = append(parts, "withdrawn from the zone")
	}
	c := a.Certificate
	switch {
	case a.Reason != diagnose.OK && c != nil:
		// The names in full stand in the advice.
		parts = append(parts, reasonText(a.Reason, c.shorten(a.Seen)))
	case a.Reason != diagnose.OK:
		parts = append(parts, reasonText(a.Reason, a.Seen))
	case c != nil:
		parts = append(parts, "signed by "+commonName(c.Issuer))
		if c.NotAfter.Sub(a.started) < soon {
			parts = append(parts, "valid until "+c.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	if said := a.unfinished(); said != "" {
		parts = append(parts, said)
	}
	if a.CoAP != "" && a.Reason == diagnose.OK { // else it says nothing of the cloud
		parts = append(parts, "ping "+a.CoAP)
	}
	if n := a.Retransmissions; n > 0 && a.Reason == diagnose.OK { // else what was seen says it
		parts = append(parts, plural(n, "sent again once", fmt.Sprintf("sent again %d times", n)))
	}
	return strings.Join(parts, ", ")
}

// shorten writes the names of issuer and expected signer by their CN alone, unless that is the same: a box that inspects may
// copy it.
func (c *Certificate) shorten(text string) string {
	names := []string{c.Issuer, c.Expected}
	if commonName(c.Issuer) == commonName(c.Expected) {
		return text
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) }) // one may begin with the other
	return strings.NewReplacer(names[0], commonName(names[0]), names[1], commonName(names[1])).Replace(text)
}

// unfinished says how a session ended that was not completed, though that is no failure: the server refused a stranger's
// certificate. Of a failure that is what was seen.
func (a *Address) unfinished() string {
	if a.Session != "unfinished" || a.Reason != diagnose.OK {
		return ""
	}
	return strings.TrimSuffix("session not finished, which is no failure: "+a.Detail, ": ")
}

// line says how long silence survives.
func (i *Idle) line() string {
	said := i.Why
	if why, ok := strings.CutPrefix(said, "not known: "); ok {
		said = "how long silence survives is not known: " + why // the line has nothing else to say what it is about
	}
	if said == "" {
		var parts []string
		add := func(words string, s float64) {
			if s > 0 {
				parts = append(parts, fmt.Sprintf("%s %g s", words, s))
			}
		}
		add("survives", i.SurvivedSeconds)
		add("lost after", i.LostSeconds)
		add("closed by the server after", i.ClosedSeconds)
		if len(parts) > 0 {
			said = "silence " + strings.Join(parts, ", ")
		}
	}
	if i.nat {
		said = strings.TrimPrefix(said+"; behind a NAT", "; ")
	}
	return said
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

// word is the resolver's verdict in the table. That staleness cannot be judged yet is no fault of a server that answers.
func (r *Resolver) word() (string, State) {
	switch {
	case r.stale():
		return "STALE", Down
	case r.failed(), len(r.astray) > 0:
		return "FAIL", Down
	case r.cutOff(), r.suspect():
		return "?", Unknown
	}
	return "ok", Up
}

// fewAddresses are listed with the DNS server that gave them; more are counted.
const fewAddresses = 2

// line says what the resolver answered, and what is wrong with that.
func (r *Resolver) line(zone *Authority) string {
	if r.cutOff() {
		return "the round ended before the answer"
	}
	if r.failed() {
		said := r.Failure + ": " + diagnose.DNSWords(measurement.DNSFailure(r.Failure))
		if r.Detail != "" {
			said += " (" + r.Detail + ")"
		}
		return said
	}
	said := strings.Join(r.Addresses, ", ")
	if n := len(r.Addresses); n > fewAddresses {
		said = fmt.Sprintf("%d addresses", n)
	}
	if r.TTLSeconds != nil {
		said += fmt.Sprintf(", TTL %g s", *r.TTLSeconds)
		switch {
		case zone == nil || zone.TTLSeconds == 0:
		case *r.TTLSeconds <= zone.TTLSeconds:
			said += fmt.Sprintf(" of %g s", zone.TTLSeconds)
		default:
			said += fmt.Sprintf(", the zone says %g s", zone.TTLSeconds)
		}
	}
	if len(r.astray) > 0 {
		said += "; " + list(r.astray) + " cannot be the cloud"
	}
	switch {
	case r.stale():
		said += "; proved to keep records too long" // how is in the advice
	case r.suspect():
		said += "; suspected of keeping records too long" // why is in the open questions
	}
	return said
}

// openQuestion is why a DNS server is not judged, for some hosts.
type openQuestion struct {
	server, why string
	hosts       []string
	suspect     bool
	watch       bool // time may bring the verdict
}

// openQuestions gathers why DNS servers are not judged. The signs against one are much alike from host to host: those of
// the first stand for all.
func (v *View) openQuestions() []openQuestion {
	var out []openQuestion
	for i := range v.Hosts {
		for j := range v.Hosts[i].Resolvers {
			r := &v.Hosts[i].Resolvers[j]
			if !r.suspect() && r.Verdict != string(staleness.Unknown) || r.Failure != "" || r.Why == "" {
				continue
			}
			at := slices.IndexFunc(out, func(q openQuestion) bool {
				return q.server == r.shown && q.suspect == r.suspect() && (q.suspect || q.why == r.Why)
			})
			if at < 0 {
				at = len(out)
				out = append(out, openQuestion{server: r.shown, why: r.Why, suspect: r.suspect(), watch: r.suspect() || r.Ready != nil})
			}
			out[at].hosts = append(out[at].hosts, v.Hosts[i].Host)
		}
	}
	return out
}

// words is the question's answer: "192.0.2.53, for 7 hosts: still learning: 15 min left".
func (q *openQuestion) words() string {
	return fmt.Sprintf("%s, for %s: %s", q.server, plural(len(q.hosts), q.hosts[0], fmt.Sprintf("%d hosts", len(q.hosts))), q.why)
}

// notes says of which DNS servers it is not known yet whether they keep records too long, and how to find out.
func (t *table) notes(v *View) {
	questions := v.openQuestions()
	if len(questions) == 0 {
		return
	}
	t.heading("Not known yet: whether DNS servers keep records too long")
	watch := false
	for i := range questions {
		t.item("  - ", questions[i].words())
		watch = watch || questions[i].watch
	}
	if watch {
		t.item("    ", "That takes time to prove: the same command with --watch=30m goes on until every verdict stands.")
	}
}

// item writes a text after a mark, its further lines below its first.
func (t *table) item(mark, text string) {
	t.line(mark + Wrap(text, t.Width-len(mark), strings.Repeat(" ", len(mark))))
}

func (t *table) todo(v *View) {
	if len(v.Todo) == 0 {
		return
	}
	t.heading("What to do")
	for i, task := range v.Todo {
		t.item(fmt.Sprintf("%3d. ", i+1), task.Text)
		for _, one := range task.For {
			t.item("     - ", one)
		}
	}
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

// Wrap breaks a text between words so that no line is longer than width, and indents all lines but the first. A word
// that is longer than a line is broken too: what came from the network need not hold spaces. A number keeps its unit.
func Wrap(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for _, word := range withUnits(strings.Fields(text)) {
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
		for n > width {
			cut := runeIndex(word, width)
			b.WriteString(word[:cut] + "\n" + indent)
			word = word[cut:]
			n = utf8.RuneCountInString(word)
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// withUnits joins each number with the unit of time after it.
func withUnits(words []string) []string {
	out := words[:0]
	for _, word := range words {
		unit := strings.TrimRight(word, ",;:.)")
		if last := len(out) - 1; last >= 0 && (unit == "s" || unit == "ms" || unit == "min") && strings.Trim(out[last], "0123456789.(") == "" {
			out[last] += " " + word
			continue
		}
		out = append(out, word)
	}
	return out
}

// runeIndex is where the n-th character begins.
func runeIndex(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}
