package present

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/watch"
)

// A watch begins with the report of its first round, in the usual form. Then it has one line per change, and at the end
// what every path did.

// WatchStarted says what the lines after the first report are.
func WatchStarted(duration, interval time.Duration) string {
	if interval >= duration {
		return fmt.Sprintf("Only one round fits into --watch=%s, because a round begins every %s (--watch.interval).", flagDuration(duration), flagDuration(interval))
	}
	return fmt.Sprintf("Watching for %s, one round every %s; Ctrl-C ends it. Each change has one line, with its time in UTC:", flagDuration(duration), flagDuration(interval))
}

// flagDuration writes a duration in the form of a flag's value, without units that are zero: "30m".
func flagDuration(d time.Duration) string {
	out := d.String()
	if strings.HasSuffix(out, "m0s") {
		out = strings.TrimSuffix(out, "0s")
	}
	if strings.HasSuffix(out, "h0m") {
		out = strings.TrimSuffix(out, "0m")
	}
	return out
}

// WatchProgress says how far a watch is, and when the DNS servers without a verdict can have one. It fits on a line of
// 80 columns. The times have their zone, because those of the report are UTC.
func WatchProgress(w *watch.Watch, end time.Time) string {
	out := fmt.Sprintf("%s, %d failed; until %s", count(w.Rounds, "round"), w.Failed, end.Local().Format("15:04:05 MST"))
	open, ready := 0, time.Time{}
	for i := range w.Last.Hosts {
		for j := range w.Last.Hosts[i].Resolvers {
			if s := &w.Last.Hosts[i].Resolvers[j].Staleness; !s.Ready.IsZero() {
				open++
				if s.Ready.After(ready) {
					ready = s.Ready
				}
			}
		}
	}
	if open > 0 {
		out += fmt.Sprintf("; %s by %s", count(open, "DNS verdict"), ready.Local().Format("15:04 MST"))
	}
	return out
}

// WatchChange writes a change as one line, wrapped if the palette has a width.
func WatchChange(c *watch.Change, p Palette) string {
	result, clause := changeText(c)
	t := printer{Palette: p}
	before := c.Time.UTC().Format(time.DateTime) + "  "
	text := text(clause)
	if p.Width > 0 {
		indent := len(before) + wordWidth + 2
		text = Wrap(text, max(p.Width-indent, minLastColumn), strings.Repeat(" ", indent))
	}
	return before + t.colour(result.State) + result.Text + p.Off + pad(result.Text, wordWidth) + "  " + text + "\n"
}

// changeText words a change.
func changeText(c *watch.Change) (result word, clause string) {
	places := strings.Join(each(c.Places, placeLine), "; ")
	if c.Resolver != nil {
		r := c.Resolver
		server := "DNS server " + serverName(r.Lookup.Resolver)
		if failure := r.Lookup.Failure; failure != measurement.DNSOK {
			return stateWords[report.Down], fmt.Sprintf("%s for %s: %s: %s", server, places, failure, dnsFailureText[failure])
		}
		result, clause = stateWords[report.Up], "answers again"
		switch verdict := r.Staleness.Verdict; verdict {
		case staleness.Stale:
			result, clause = staleWord, keepsText[verdict]+": it "+StalenessText(&r.Staleness)
		case staleness.Suspect:
			result, clause = stateWords[report.Unknown], keepsText[verdict]+": it "+StalenessText(&r.Staleness)
		case staleness.OK:
			clause = "keeps no record past its TTL"
		case staleness.Unknown:
		}
		return result, fmt.Sprintf("%s for %s: %s", server, places, clause)
	}
	lasted := fmt.Sprintf("; before, for %s: %s", flagDuration(c.Lasted.Round(time.Second)), stateWord(&c.Before))
	switch after := &c.After; after.State {
	case report.Up:
		return stateWords[report.Up], places + ": " + plural(pathsIn(c.Places), "carries a device", "carry a device") + lasted
	case report.Unknown:
		return stateWords[report.Unknown], places + ": " + stateWord(after) + lasted
	case report.Down:
		clause = withDetail(string(c.Finding.Reason), FindingText(&c.Finding))
		if after.Partly {
			clause = "at another address, " + clause
		}
	}
	return stateWords[report.Down], places + ": " + clause + lasted
}

func pathsIn(places []report.Place) (n int) {
	for i := range places {
		n += len(places[i].Paths)
	}
	return n
}

// stateWord names the state of a path in a word or two.
func stateWord(s *watch.PathState) string {
	switch {
	case s.State == report.Up:
		return "ok"
	case s.State == report.Down:
		return string(s.Reason)
	case s.Unjudged:
		return string(notJudged)
	case s.Unproven:
		return string(notProved)
	}
	return "not known"
}

// watchVerdicts begin the verdict on all rounds.
var watchVerdicts = map[report.State]string{
	report.Up: "All was well: ", report.Down: "Something was wrong: ", report.Unknown: "Not all is known: ",
}

// WatchVerdict says in one sentence what a watch found.
func WatchVerdict(w *watch.Watch, interrupted bool) string {
	out := watchVerdicts[watchState(w)]
	if interrupted {
		out = "Interrupted: "
	}
	if w.Failed == 0 {
		out += plural(w.Rounds, "the round did not fail", fmt.Sprintf("none of %d rounds failed", w.Rounds))
	} else {
		out += fmt.Sprintf("%d of %s failed", w.Failed, count(w.Rounds, "round"))
	}
	if w.Unknown > 0 {
		out += fmt.Sprintf(", and %d %s not known", w.Unknown, plural(w.Unknown, "is", "are"))
	}
	return out
}

// Columns of the table of a watch.
const (
	countWidth = 6  // "rounds"
	timesWidth = 16 // "1200/1310/12000"
)

// WatchTable is the table of a watch: one row for each path, of its last state, its rounds, failures and times. A
// terminal that is too narrow has the host above its rows; without a width each row is complete.
func WatchTable(w *watch.Watch, p Palette) string {
	hostWidth := len("host")
	for _, path := range w.Paths {
		hostWidth = max(hostWidth, columns.StringWidth(text(path.Host)))
	}
	fixed := 2 + wordWidth + 2 + nameWidth + 3*(1+countWidth) + 2*(1+timesWidth)
	wide := p.Width == 0 || p.Width >= fixed+2+hostWidth
	t := printer{Palette: p}
	row := func(result word, path, host, rounds, failed, loss, connect, hello string) {
		t.WriteString("  " + t.colour(result.State) + result.Text + t.Off + pad(result.Text, wordWidth) + "  " + path + pad(path, nameWidth))
		if wide {
			t.WriteString("  " + host + pad(host, hostWidth))
		}
		for _, cell := range []string{rounds, failed, loss} {
			t.WriteString(" " + pad(cell, countWidth) + cell)
		}
		t.line(" " + pad(connect, timesWidth) + connect + " " + pad(hello, timesWidth) + hello)
	}
	row(word{Text: "last"}, "path", "host", "rounds", "failed", "loss", "connect, ms", "hello, ms")
	host := ""
	for _, path := range w.Paths {
		if !wide && path.Host != host {
			t.line("  " + columns.Truncate(text(path.Host), p.Width-2, "…"))
			host = path.Host
		}
		row(stateWords[path.State.State], fmt.Sprintf("%s %d", text(path.Transport), path.Port), text(path.Host),
			fmt.Sprint(path.Rounds), fmt.Sprint(path.Failed), lossText(path), timesText(&path.Connect), timesText(&path.Hello))
	}
	return t.String()
}

// lossText is the share of the rounds with a result in which a path failed.
func lossText(p *watch.Path) string {
	known := p.Rounds - p.Unknown
	if known == 0 {
		return "–"
	}
	loss := 100 * float64(p.Failed) / float64(known)
	if p.Failed > 0 && loss < 10 {
		return fmt.Sprintf("%.1f%%", loss)
	}
	return fmt.Sprintf("%.0f%%", loss)
}

// timesText is "min/median/max" in milliseconds.
func timesText(d *watch.Durations) string {
	if d.Count == 0 {
		return "–"
	}
	return milliseconds(d.Min) + "/" + milliseconds(d.Median()) + "/" + milliseconds(d.Max)
}

func milliseconds(d time.Duration) string {
	if ms := float64(d) / float64(time.Millisecond); ms < 10 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprint(d.Round(time.Millisecond).Milliseconds())
}

// WatchSummary writes the end of a watch: its verdict and its table; then, if there was a change, the report of the
// last round that failed, or else that of the last round.
func WatchSummary(out io.Writer, w *watch.Watch, interrupted bool, exporterVersion string, p Palette) error {
	t := printer{Palette: p}
	if t.Width == 0 {
		t.Width = defaultWidth
	}
	t.line("\n" + t.colour(watchState(w)) + Wrap(WatchVerdict(w, interrupted), t.Width, "") + t.Off)
	t.paragraph(fmt.Sprintf("Watched from %s to %s. Times: minimum/median/maximum.", momentText(w.Started), momentText(w.Finished)))
	t.WriteString(WatchTable(w, p))
	if _, err := io.WriteString(out, t.String()); err != nil || w.Changes == 0 {
		return err
	}
	last, heading := w.Last, "The last round:"
	if w.LastFailed != nil {
		last, heading = w.LastFailed, "The last round that failed:"
	}
	if _, err := fmt.Fprintf(out, "\n%s\n", heading); err != nil {
		return err
	}
	return Text(out, NewView(last, exporterVersion), p)
}

// watchState is the verdict on all rounds.
func watchState(w *watch.Watch) report.State {
	switch {
	case w.Failed > 0:
		return report.Down
	case w.Unknown > 0:
		return report.Unknown
	}
	return report.Up
}

// WatchMarkdown writes the evidence of the last round that failed, or else of the last round, and what every path did.
func WatchMarkdown(out io.Writer, w *watch.Watch, interrupted bool, exporterVersion string) error {
	last := cmp.Or(w.LastFailed, w.Last)
	if err := Markdown(out, NewView(last, exporterVersion)); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n## All rounds\n\n%s, from %s to %s. The above is of %s. Times: minimum/median/maximum, in milliseconds.\n\n"+
		"| host | path | rounds | failed | loss | connect | hello |\n|---|---|---|---|---|---|---|\n",
		cell(WatchVerdict(w, interrupted)), momentText(w.Started), momentText(w.Finished), momentText(last.Started))
	for _, path := range w.Paths {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %s | %s | %s |\n", cell(text(path.Host)), pathName(path.Path), path.Rounds, path.Failed, lossText(path),
			timesText(&path.Connect), timesText(&path.Hello))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// WatchEvent is one line of `check --watch --output=json`: the first report, a change, or the summary at the end.
type WatchEvent struct {
	Event   string       `json:"event"` // report | change | summary
	Time    time.Time    `json:"time"`  // a change: when its round began; others: when they were written
	Report  *View        `json:"report,omitempty"`
	Change  *ChangeView  `json:"change,omitempty"`
	Summary *SummaryView `json:"summary,omitempty"`
}

// ChangeView is a change of paths, or of hosts at a DNS server.
type ChangeView struct {
	Hosts         []ChangedHost `json:"hosts"`
	Resolver      string        `json:"resolver,omitempty"` // of a change at a DNS server
	State         report.State  `json:"state"`
	Reason        reason.Reason `json:"reason,omitempty"` // of a path that fails
	BeforeSeconds float64       `json:"before_seconds"`   // how long the state before lasted
	Text          string        `json:"text"`
}

// ChangedHost is a host of a change, with the paths that changed.
type ChangedHost struct {
	Host  string   `json:"host"`
	Paths []string `json:"paths,omitempty"` // "tcp 5684"
}

// SummaryView is what a watch found.
type SummaryView struct {
	Started     time.Time     `json:"started"`
	Finished    time.Time     `json:"finished"`
	Interrupted bool          `json:"interrupted,omitempty"`
	Rounds      int           `json:"rounds"`
	Failed      int           `json:"failed"`
	Unknown     int           `json:"unknown"`
	Verdict     string        `json:"verdict"`
	Paths       []WatchedPath `json:"paths"`
	LastReport  *View         `json:"last_report"`
	LastFailed  *View         `json:"last_failed_report,omitempty"`
}

// WatchedPath is a path over all rounds.
type WatchedPath struct {
	Service   string                `json:"service"`
	Host      string                `json:"host"`
	Transport measurement.Transport `json:"transport"`
	Port      uint16                `json:"port"`
	State     report.State          `json:"state"` // in the last round
	Rounds    int                   `json:"rounds"`
	Failed    int                   `json:"failed"`
	Unknown   int                   `json:"unknown"`
	Connect   *WatchedTimes         `json:"connect_seconds,omitempty"`
	Hello     *WatchedTimes         `json:"hello_seconds,omitempty"`
}

// WatchedTimes describe the durations of one phase.
type WatchedTimes struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// WatchJSON writes one event as a line.
func WatchJSON(out io.Writer, e *WatchEvent) error { return json.NewEncoder(out).Encode(e) }

// NewChangeView words a change.
func NewChangeView(c *watch.Change) *ChangeView {
	result, clause := changeText(c)
	out := &ChangeView{State: result.State, Reason: c.After.Reason, BeforeSeconds: c.Lasted.Seconds(), Text: text(clause)}
	if c.Resolver != nil {
		out.Resolver = address(c.Resolver.Lookup.Resolver)
	}
	for i := range c.Places {
		paths := each(c.Places[i].Paths, func(p *measurement.Path) string { return fmt.Sprintf("%s %d", text(p.Transport), p.Port) })
		out.Hosts = append(out.Hosts, ChangedHost{text(c.Places[i].Host), paths})
	}
	return out
}

// NewSummaryView words the end of a watch.
func NewSummaryView(w *watch.Watch, interrupted bool, exporterVersion string) *SummaryView {
	out := &SummaryView{
		Started: w.Started, Finished: w.Finished, Interrupted: interrupted, Rounds: w.Rounds, Failed: w.Failed, Unknown: w.Unknown,
		Verdict: WatchVerdict(w, interrupted), LastReport: NewView(w.Last, exporterVersion),
	}
	if w.LastFailed != nil && w.LastFailed != w.Last {
		out.LastFailed = NewView(w.LastFailed, exporterVersion)
	}
	for _, p := range w.Paths {
		out.Paths = append(out.Paths, WatchedPath{
			Service: text(p.Service), Host: text(p.Host), Transport: text(p.Transport), Port: p.Port, State: p.State.State,
			Rounds: p.Rounds, Failed: p.Failed, Unknown: p.Unknown, Connect: watchedTimes(&p.Connect), Hello: watchedTimes(&p.Hello),
		})
	}
	return out
}

func watchedTimes(d *watch.Durations) *WatchedTimes {
	if d.Count == 0 {
		return nil
	}
	return &WatchedTimes{d.Min.Seconds(), d.Median().Seconds(), d.Max.Seconds()}
}
