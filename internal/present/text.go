package present

import (
	"fmt"
	"io"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Rules of the terminal's text. All of it goes through five functions:
//
//   - line writes lines as they are. Whatever it is given is wrapped and safe already.
//   - paragraph wraps a sentence to the width of the terminal.
//   - heading writes one after an empty line.
//   - item writes a sentence after a mark, its further lines below its first.
//   - row writes one line of the table, or none if only failures are wanted. Its last column is wrapped in place, or
//     below if it has too little room.
//
// Only the words that carry a verdict and the headings are coloured, and each coloured word can be read without colour.

// Palette is how a terminal shows the text: the codes that colour words, its width in columns, and which rows. The zero
// value has no colours, 100 columns and every row.
type Palette struct {
	Good, Bad, Doubt, Strong, Off string
	Width                         int
	// OnlyFailures leaves out the rows of the table that are ok.
	OnlyFailures bool
}

// ANSI is the palette of a terminal.
var ANSI = Palette{Good: "\x1b[32m", Bad: "\x1b[1;31m", Doubt: "\x1b[33m", Strong: "\x1b[1m", Off: "\x1b[0m"}

// Widths, in columns.
const (
	defaultWidth  = 100
	minWidth      = 40
	wordWidth     = 5  // "STALE"
	nameWidth     = 9  // "tcp 65535"
	tookWidth     = 7  // "12.3 ms"
	minLastColumn = 30 // with less room, the last column goes below
	lastIndent    = 9  // where those lines begin
)

// printer writes the text of a view.
type printer struct {
	strings.Builder
	Palette
	addressWidth   int
	pendingHeading string // written before the next row; "": none
}

// Text writes a view for a person at a terminal: the verdict, each host with its paths and DNS servers, and what to do.
func Text(w io.Writer, v *View, p Palette) error {
	if p.Width == 0 {
		p.Width = defaultWidth
	}
	p.Width = max(p.Width, minWidth)
	t := printer{Palette: p, addressWidth: addressWidth(v)}
	t.paragraph(sourceText(v))
	t.line(t.colour(v.state) + Wrap(v.Verdict, t.Width, "") + t.Off)
	if v.Cause != "" {
		t.paragraph(v.Cause)
	}
	t.paragraph(fmt.Sprintf("Measured from %s at %s, in %s.", fromText(v), localMomentText(v.Started), seconds(v.Finished.Sub(v.Started).Seconds())))
	if note := authorityPathText[v.AuthorityPath]; note != "" {
		t.paragraph(note)
	}
	if v.anyProbed() {
		for i := range v.Hosts {
			t.host(&v.Hosts[i])
		}
	} else {
		t.unprobed(v)
	}
	t.traces(v)
	t.openVerdicts(v)
	t.todo(v)
	_, err := io.WriteString(w, t.String())
	return err
}

// colour begins the colour of a state; "" without a state, as in a heading.
func (t *printer) colour(s report.State) string {
	switch s {
	case report.Up:
		return t.Good
	case report.Down:
		return t.Bad
	case report.Unknown:
		return t.Doubt
	}
	return ""
}

func (t *printer) line(s string) { t.WriteString(s + "\n") }

func (t *printer) paragraph(s string) { t.line(Wrap(s, t.Width, "")) }

func (t *printer) heading(s string) { t.line("\n" + t.Strong + Wrap(s, t.Width, "") + t.Off) }

func (t *printer) item(mark, s string) {
	t.line(mark + Wrap(s, t.Width-len(mark), strings.Repeat(" ", len(mark))))
}

func (t *printer) row(result word, name, address, took, last string) (shown bool) {
	if t.OnlyFailures && (result.Text == "" || result.State == report.Up) {
		return false
	}
	if t.pendingHeading != "" {
		t.heading(t.pendingHeading)
		t.pendingHeading = ""
	}
	name = columns.Truncate(name, nameWidth, "…")
	left := pad("", wordWidth)
	if result.Text != "" {
		left = t.colour(result.State) + result.Text + t.Off + pad(result.Text, wordWidth)
	}
	line := "  " + left + "  " + name + pad(name, nameWidth) + "  " + address + pad(address, t.addressWidth) + "  " + pad(took, tookWidth) + took
	before := 2 + wordWidth + 2 + nameWidth + 2 + t.addressWidth + 2 + tookWidth + 2
	switch {
	case last == "":
		t.line(strings.TrimRight(line, " "))
	case t.Width-before >= minLastColumn:
		t.line(line + "  " + Wrap(last, t.Width-before, strings.Repeat(" ", before)))
	default:
		indent := strings.Repeat(" ", lastIndent)
		if result.Text != "" || name != "" {
			t.line(strings.TrimRight(line, " "))
		}
		t.line(indent + Wrap(last, t.Width-lastIndent, indent))
	}
	return true
}

// addressWidth is the width of the widest address or DNS server.
func addressWidth(v *View) int {
	width := len("192.0.2.1")
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			for k := range v.Hosts[i].Paths[j].Addresses {
				width = max(width, columns.StringWidth(v.Hosts[i].Paths[j].Addresses[k].Address))
			}
		}
		for j := range v.Hosts[i].Resolvers {
			width = max(width, columns.StringWidth(v.Hosts[i].Resolvers[j].name))
		}
	}
	return width
}

// host writes the rows of a host, below a heading if there is a row.
func (t *printer) host(h *Host) {
	t.pendingHeading = h.Host + " (" + h.Service + ")"
	for i := range h.Paths {
		t.path(&h.Paths[i])
	}
	for i := range h.Resolvers {
		r := &h.Resolvers[i]
		t.row(resolverWord(r), "dns", r.name, seconds(r.LookupSeconds), resolverLine(r, h.Authority))
	}
}

func (t *printer) path(p *Path) {
	name := fmt.Sprintf("%s %d", p.Transport, p.Port)
	if len(p.Addresses) == 0 {
		t.row(reasonWord(p.Reason, noDoubt), name, "–", "–", pathLine(p))
	}
	var above *Address
	for i := range p.Addresses {
		a := &p.Addresses[i]
		last := addressLine(a)
		if above != nil && factsOf(a) == factsOf(above) {
			last = "as above"
		}
		if t.row(reasonWord(a.Reason, a.doubt()), name, a.Address, tookText(a), last) {
			name, above = "", a // the path is named once, before its further addresses
		}
	}
	if p.Omitted > 0 {
		t.row(word{}, name, "", "", omittedText(p.Omitted))
	}
	if p.Idle != nil {
		if line := idleLine(p.Idle); line != "" {
			t.row(word{}, "", "", "", line)
		}
	}
}

// unprobed lists the hosts where one cause kept every path from being probed. A table would repeat it on each line.
func (t *printer) unprobed(v *View) {
	t.heading(headingUnprobed)
	for i := range v.Hosts {
		t.item("  - ", v.Hosts[i].Host+": "+hostPaths(&v.Hosts[i]))
	}
}

func (t *printer) openVerdicts(v *View) {
	lines, mayChange := openVerdictLines(v.summary)
	if len(lines) == 0 {
		return
	}
	t.heading(headingOpen)
	for _, line := range lines {
		t.item("  - ", line)
	}
	if mayChange {
		t.item("    ", "A proof takes time: run the same command with --watch=30m, or for longer if the TTL is more than 5 min.")
	}
}

func (t *printer) todo(v *View) {
	if len(v.Todo) == 0 {
		return
	}
	t.heading(headingTodo)
	for i, task := range v.Todo {
		explains := ""
		if task.Paths > 0 && v.summary.Paths.All > 1 {
			explains = fmt.Sprintf("(%d of %s) ", task.Paths, count(v.summary.Paths.All, "path"))
		}
		t.item(fmt.Sprintf("%3d. ", i+1), explains+task.Text)
		for _, one := range task.For {
			t.item("     - ", one)
		}
	}
}
