package present

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

// ContentSecurityPolicy is what the page needs: its own style and nothing else. The page carries it itself; a server
// sends [ContentSecurityPolicyHeader].
var ContentSecurityPolicy = func() string {
	hash := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'"
}()

// ContentSecurityPolicyHeader is the policy for the header: it also forbids other pages to frame this one, which a page
// cannot say itself.
var ContentSecurityPolicyHeader = ContentSecurityPolicy + "; frame-ancestors 'none'"

// page is parsed once; html/template escapes everything from the network by its place.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"seconds":      seconds,
	"moment":       momentText,
	"took":         func(a Address) string { return tookText(&a) },
	"addressLine":  func(a Address) string { return addressLine(&a) },
	"addressWord":  func(a Address) word { return reasonWord(a.Reason, a.doubt()) },
	"pathWord":     func(p Path) word { return reasonWord(p.Reason, noDoubt) },
	"pathLine":     func(p Path) string { return pathLine(&p) },
	"hostPaths":    func(h Host) string { return hostPaths(&h) },
	"idleLine":     idleLine,
	"omitted":      omittedText,
	"resolverWord": func(r Resolver) word { return resolverWord(&r) },
	"resolverLine": func(r Resolver, zone *Authority) string { return resolverLine(&r, zone) },
	"serverName":   func(r Resolver) string { return r.name },
}).Parse(pageSource))

// PageOptions is what the page shows in addition to the report.
type PageOptions struct {
	MetricsPath string
	Notice      string    // something else that a person must know; "" if there is nothing
	Now         time.Time // to say how old the report is
}

// Page writes a view as a web page that needs no script and no other file.
func Page(w io.Writer, v *View, o PageOptions) error {
	open, _ := openLines(v.summary)
	return page.Execute(w, struct {
		*View
		PageOptions
		State                                     report.State
		From, Took, Age, Source, AuthorityNote    string
		Open                                      []string
		AnyProbed                                 bool
		HeadingTodo, HeadingUnprobed, HeadingOpen string
		Style                                     template.CSS
		Policy                                    string
	}{
		v, o, v.state, fromText(v), seconds(v.Finished.Sub(v.Started).Seconds()), age(o.Now.Sub(v.Finished)), sourceText(v), authorityPathText(v), open,
		v.anyProbed(), headingTodo, headingUnprobed, headingOpen,
		template.CSS(pageStyle), ContentSecurityPolicy, //nolint:gosec // our own style sheet
	})
}
