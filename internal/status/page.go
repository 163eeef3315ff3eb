package status

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

//go:embed page.html
var pageSource string

// page is parsed once; html/template escapes everything that came from the network by its place.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"seconds": seconds,
	"took": func(a Address) string {
		if s, ok := a.handshake(); ok {
			return seconds(s)
		}
		return "–"
	},
	"line":   func(a Address) string { return a.line() },
	"state":  func(a Address) State { return stateOfReason(a.Reason) },
	"reason": func(p Path) string { return reasonText(p.Reason, p.Seen) },
}).Parse(pageSource))

// Page writes a report as a web page that needs no script and no file from elsewhere.
func Page(w io.Writer, report *survey.Report, metricsPath string) error {
	v := NewView(report)
	return page.Execute(w, struct {
		*View
		Headline    string
		Todo        []string
		MetricsPath string
	}{v, v.headline(), v.todo(), metricsPath})
}
