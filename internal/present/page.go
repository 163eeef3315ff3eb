package present

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

// ContentSecurityPolicy is what the page needs: its own style and nothing else. The page says so itself; a server may
// say it too.
var ContentSecurityPolicy = func() string {
	hash := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'"
}()

// page is parsed once; html/template escapes everything that came from the network by its place.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"seconds":  seconds,
	"took":     func(a Address) string { return a.took() },
	"line":     func(a Address) string { return a.line() },
	"state":    func(a Address) State { return stateOfReason(a.Reason) },
	"word":     func(a Address) string { word, _ := wordOf(a.Reason); return word },
	"pathWord": func(p Path) string { word, _ := wordOf(p.Reason); return word },
	"names":    func(h Host) string { return h.names() },
	"because":  func(p Path) string { return p.line() },
	"silence":  func(i *Idle) string { return i.line() },
	"dnsWord":  func(r Resolver) string { word, _ := r.word(); return word },
	"dnsState": func(r Resolver) State { _, s := r.word(); return s },
	"dnsLine":  func(r Resolver, zone *Authority) string { return r.line(zone) },
	"shown":    func(r Resolver) string { return r.shown },
	"open":     func(q openQuestion) string { return q.words() },
	"moment":   func(t time.Time) string { return t.UTC().Format(moment) },
}).Parse(pageSource))

// PageOptions is what the page shows beside the report.
type PageOptions struct {
	MetricsPath string
	Version     string    // of the exporter; "" leaves it out
	Notice      string    // what else a person must know; "": nothing
	Now         time.Time // to say how old the report is
}

// Page writes a report as a web page that needs no script and no file from elsewhere.
func Page(w io.Writer, rep *report.Report, o PageOptions) error {
	v := NewView(rep)
	return page.Execute(w, struct {
		*View
		PageOptions
		State  State
		From   string
		Took   string
		Age    string
		Open   []openQuestion
		Table  bool // else one cause kept every path from being walked
		Style  template.CSS
		Policy string
	}{v, o, v.state(), v.from(), seconds(v.Finished.Sub(v.Started).Seconds()), age(o.Now.Sub(v.Finished)), v.openQuestions(), v.walked() || v.Cause == "",
		template.CSS(pageStyle), ContentSecurityPolicy}) //nolint:gosec // our own style sheet
}

// age says how long ago something was.
func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	}
	return fmt.Sprintf("%d min ago", d/time.Minute)
}
