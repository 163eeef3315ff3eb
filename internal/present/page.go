package present

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
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
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'self'"
}()

// ContentSecurityPolicyHeader is the policy for the header: it also forbids other pages to frame this one, which a page
// cannot say itself.
var ContentSecurityPolicyHeader = ContentSecurityPolicy + "; frame-ancestors 'none'"

// page is parsed once; html/template escapes everything from the network by its place. It passes the address of an item
// to a function that takes a pointer.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"seconds":      seconds,
	"localMoment":  localMomentText,
	"took":         tookText,
	"addressLine":  addressLine,
	"addressWord":  func(a *Address) word { return reasonWord(a.Reason, a.doubt()) },
	"pathWord":     func(p Path) word { return reasonWord(p.Reason, noDoubt) },
	"pathLine":     pathLine,
	"hostPaths":    hostPaths,
	"idleLine":     idleLine,
	"omitted":      omittedText,
	"resolverWord": resolverWord,
	"resolverLine": resolverLine,
	"serverName":   func(r Resolver) string { return r.name },
}).Parse(pageSource))

// PageOptions is what the page shows in addition to the report.
type PageOptions struct {
	MetricsPath string    // relative to the page
	Notice      string    // something else that a person must know; "" if there is nothing
	Now         time.Time // to say how old the report is
	// Hosts is how many hosts are configured, Measured how many of them the report contains. While it contains some only,
	// the page says that the first measurement runs.
	Hosts, Measured int
	Measuring       bool          // a round runs, which the report does not contain
	Refresh         time.Duration // after which the browser asks again; 0: it does not
	Filter          string        // part of the name of a host or a service; others are not shown
	// History returns the last rounds of a path, the oldest first; nil: none is kept.
	History func(endpoint config.Key, p measurement.Path) []report.Point
}

// SearchableHosts is the number of hosts from which on the page has a search field. A built-in catalogue has fewer.
const SearchableHosts = 9

// shownHost is a host on the page.
type shownHost struct {
	Host
	history func(config.Key, measurement.Path) []report.Point
}

// HistoryOf draws the last rounds of one of the host's paths; nil without a past round.
func (h shownHost) HistoryOf(p Path) *historyDrawing {
	if h.history == nil {
		return nil
	}
	return drawHistory(h.history(h.key, p.path()))
}

// shownHosts lists the hosts of which the host name or the service contains the filter.
func shownHosts(v *View, o *PageOptions) []shownHost {
	var out []shownHost
	filter := strings.ToLower(strings.TrimSpace(o.Filter))
	for i := range v.Hosts {
		h := &v.Hosts[i]
		if strings.Contains(strings.ToLower(h.Host), filter) || strings.Contains(strings.ToLower(h.Service), filter) {
			out = append(out, shownHost{*h, o.History})
		}
	}
	return out
}

// pageURL is the address of the page with a filter, and without updates.
func pageURL(filter string, still bool) string {
	query := make(url.Values)
	if filter != "" {
		query.Set("host", filter)
	}
	if still {
		query.Set("refresh", "off")
	}
	if len(query) == 0 {
		return "."
	}
	return "?" + query.Encode()
}

// Page writes a view as a web page that needs no script and no other file.
func Page(w io.Writer, v *View, o PageOptions) error {
	o.Filter = text(o.Filter)
	open, _ := openVerdictLines(v.summary)
	data := struct {
		*View
		PageOptions
		Title                                     string
		State                                     report.State
		Waiting                                   string
		From, Took, Age, Source, AuthorityNote    string
		Shown                                     []shownHost
		Searchable                                bool
		Found, AllURL                             string
		UpdateLine, UpdateURL, UpdateWord         string
		Open                                      []string
		AnyProbed                                 bool
		HeadingTodo, HeadingUnprobed, HeadingOpen string
		Style                                     template.CSS
		Policy                                    string
	}{
		View: v, PageOptions: o, Title: v.Verdict, State: v.state,
		From: fromText(v), Took: seconds(v.Finished.Sub(v.Started).Seconds()), Age: age(o.Now.Sub(v.Finished)),
		Source: sourceText(v), AuthorityNote: authorityPathText[v.AuthorityPath],
		Shown: shownHosts(v, &o), Searchable: len(v.Hosts) >= SearchableHosts || o.Filter != "", AllURL: pageURL("", o.Refresh == 0),
		UpdateLine: "This page updates itself.", UpdateURL: pageURL(o.Filter, true), UpdateWord: "Stop updates",
		Open: open, AnyProbed: v.anyProbed(), HeadingTodo: headingTodo, HeadingUnprobed: headingUnprobed, HeadingOpen: headingOpen,
		Style: template.CSS(pageStyle), Policy: ContentSecurityPolicy, //nolint:gosec // our own style sheet
	}
	if o.Refresh == 0 {
		data.UpdateLine, data.UpdateURL, data.UpdateWord = "This page does not update itself.", pageURL(o.Filter, false), "Update it"
	}
	if o.Filter != "" {
		data.Found = fmt.Sprintf("%d of %s.", len(data.Shown), count(len(v.Hosts), "host"))
	}
	if o.Measured < o.Hosts {
		waiting := *v
		waiting.Cause = ""
		data.View, data.State, data.Title = &waiting, report.Unknown, headingWaiting
		data.Waiting = fmt.Sprintf("%d of %s measured.", o.Measured, plural(o.Hosts, "1 host is", strconv.Itoa(o.Hosts)+" hosts are"))
		return page.ExecuteTemplate(w, "waiting", data)
	}
	return page.ExecuteTemplate(w, "report", data)
}
