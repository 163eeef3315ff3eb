package present

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// hostileTexts are what a box between here and the cloud may put into a certificate, a page or a DNS answer.
var hostileTexts = map[string]string{
	"markup":     `<script>alert(1)</script><img src=x onerror=alert(1)>"'&lt;`,
	"attributes": `" onmouseover="alert(1)" style="position:fixed`,
	"escapes":    "\x1b[2J\x1b[1;1H\x1b]0;title\x07\u009b31mred\r\b\b",
	"newlines":   "CN=a\n\n# Heading\n| a | b |\r\n---\n",
	"pipes":      "a | b || c \\| d \\",
	"markdown":   "[click](http://example.com) ![x](y) `code` **bold** <http://example.com> ~~x~~ www.example.com $x$",
	"override":   "CN=\u202eCA CLBUP\u2066\u200b\ufeff",
	"long":       strings.Repeat("A", 10_000),
	"spaces":     strings.Repeat(" \t", 500),
	"not UTF-8":  "CN=\xff\xfe\xc0\x80",
	"NUL":        "CN=\x00\x00",
	"template":   "{{.Site}} ${x} %s %!d(MISSING)",
	"empty":      "",
}

// setTexts sets every string that a value leads to, by reflection, so that a new field of a report cannot be forgotten.
// With closed it sets the values of closed lists and the zones of addresses too. Types of other modules stay as they
// are.
func setTexts(v reflect.Value, s string, closed bool) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() && (closed || v.Type() == reflect.TypeFor[string]()) {
			v.SetString(s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			setTexts(v.Elem(), s, closed)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			setTexts(v.Index(i), s, closed)
		}
	case reflect.Map:
		if closed && v.Type().Key().Kind() == reflect.String && v.Len() > 0 {
			v.SetMapIndex(reflect.ValueOf(s).Convert(v.Type().Key()), reflect.Zero(v.Type().Elem()))
		}
	case reflect.Struct:
		switch a := v.Addr().Interface().(type) {
		case *netip.Addr:
			if closed {
				*a = netip.MustParseAddr("fe80::1").WithZone(s)
			}
		case *netip.AddrPort:
			if closed {
				*a = netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(s), a.Port())
			}
		default:
			if strings.HasPrefix(v.Type().PkgPath(), "github.com/endpoint-exporter/") {
				for i := range v.NumField() {
					if v.Field(i).CanSet() {
						setTexts(v.Field(i), s, closed)
					}
				}
			}
		}
	default: // no text
	}
}

// hostile is a report with one text in every place that can hold one.
func hostile(rep *report.Report, s string, closed bool) *report.Report {
	for i := range rep.Hosts {
		h := &rep.Hosts[i]
		endpoint := *h.Endpoint // the configuration's own must stay as it is
		endpoint.Paths = slices.Clone(endpoint.Paths)
		h.Endpoint = &endpoint
		for j := range h.Paths {
			if h.Paths[j].Idle == nil {
				h.Paths[j].Idle = &report.IdleBounds{Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleNoConnection}}}
			}
		}
	}
	setTexts(reflect.ValueOf(rep), s, closed)
	return rep
}

func TestHostileTexts(t *testing.T) {
	for name, s := range hostileTexts {
		t.Run(name, func(t *testing.T) { checkHostile(t, s) })
	}
}

// FuzzHostile puts a text into a report of one path and checks one view of it. Over many inputs every kind of path and
// every view has its turn; TestHostileTexts has whole reports in all views.
func FuzzHostile(f *testing.F) {
	pieces := slices.Concat(onePath(sick()), onePath(offline()))
	names := slices.Sorted(maps.Keys(views))
	for i := range names {
		f.Add(hostileTexts["markup"], i%2 == 0, uint8(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, s string, closed bool, piece, view uint8) {
		if len(s) > 300 { // cut at 200 bytes in every view, which TestHostileTexts covers
			return
		}
		rep := copyOf(reflect.ValueOf(pieces[int(piece)%len(pieces)])).Interface().(*report.Report)
		views[names[int(view)%len(names)]](t, NewView(hostile(rep, s, closed), "1.2.3"))
	})
}

// onePath cuts a report into reports of one path each.
func onePath(rep *report.Report) (pieces []*report.Report) {
	for _, h := range rep.Hosts {
		for _, p := range h.Paths {
			one, host, endpoint := *rep, h, *h.Endpoint
			endpoint.Paths = []measurement.Path{p.Path}
			host.Endpoint, host.Paths = &endpoint, []report.Path{p}
			one.Hosts = []report.Host{host}
			diagnose.Summarize(&one)
			pieces = append(pieces, &one)
		}
	}
	return pieces
}

// copyOf returns a copy of a value that shares no exported field's memory with it. Types of other modules are copied as
// they are.
func copyOf(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(copyOf(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(copyOf(v.Index(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for key, value := range v.Seq2() {
				out.SetMapIndex(key, copyOf(value))
			}
		}
	case reflect.Struct:
		if strings.HasPrefix(v.Type().PkgPath(), "github.com/endpoint-exporter/") {
			for i := range v.NumField() {
				if out.Field(i).CanSet() {
					out.Field(i).Set(copyOf(v.Field(i)))
				}
			}
		}
	default: // no memory to copy
	}
	return out
}

// checkHostile tests that a text in a report stays text in every view.
func checkHostile(t *testing.T, s string) {
	t.Helper()
	for _, rep := range []*report.Report{hostile(sick(), s, false), hostile(offline(), s, false), hostile(sick(), s, true)} {
		v := NewView(rep, "1.2.3")
		for _, check := range views {
			check(t, v)
		}
	}
}

// views writes each view and checks it.
var views = map[string]func(t *testing.T, v *View){
	"text":    func(t *testing.T, v *View) { checkText(t, written(t, Text, v, Palette{Width: 80}), 80) },
	"wide":    func(t *testing.T, v *View) { checkText(t, written(t, Text, v, Palette{Width: 120}), 120) },
	"colours": checkColours,
	"page": func(t *testing.T, v *View) {
		checkPage(t, written(t, Page, v, PageOptions{MetricsPath: "metrics", Now: started.Add(time.Minute), History: someHistory}))
	},
	"search": func(t *testing.T, v *View) {
		filter := v.Hosts[0].Service
		checkPage(t, written(t, Page, v, PageOptions{MetricsPath: "metrics", Now: started, Filter: filter, Notice: v.Site, Refresh: time.Second}))
	},
	"waiting": func(t *testing.T, v *View) {
		checkPage(t, written(t, Page, v, PageOptions{MetricsPath: "metrics", Notice: v.Site, Filter: v.Site, Hosts: 2, Measured: 1}))
	},
	"markdown": func(t *testing.T, v *View) { checkMarkdown(t, written(t, withoutOptions(Markdown), v, struct{}{})) },
	"json":     checkJSON,
}

// written is what a view writes.
func written[O any](t *testing.T, write func(io.Writer, *View, O) error, v *View, options O) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, v, options); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(b.Bytes()) {
		t.Error("not UTF-8")
	}
	return b.String()
}

func withoutOptions(write func(io.Writer, *View) error) func(io.Writer, *View, struct{}) error {
	return func(w io.Writer, v *View, _ struct{}) error { return write(w, v) }
}

func checkColours(t *testing.T, v *View) {
	t.Helper()
	ours := strings.NewReplacer(ANSI.Good, "", ANSI.Bad, "", ANSI.Doubt, "", ANSI.Strong, "", ANSI.Off, "")
	checkText(t, ours.Replace(written(t, Text, v, ANSI)), defaultWidth)
}

func checkJSON(t *testing.T, v *View) {
	t.Helper()
	var read View
	if err := json.Unmarshal([]byte(written(t, withoutOptions(JSON), v, struct{}{})), &read); err != nil {
		t.Errorf("the JSON does not parse: %v", err)
	}
}

// checkText: nothing but printable characters in lines of the terminal's width.
func checkText(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if n := columns.StringWidth(line); n > width {
			t.Errorf("line of %d columns, more than %d: %q", n, width, line)
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("unprintable: %q", line)
		}
	}
}

// The elements and attributes of the page.
var (
	pageElements = strings.Fields("html head meta title style body main h1 h2 small p section ol ul li table thead tbody tr th td footer a " +
		"form label input button svg path")
	pageAttributes = map[string]*regexp.Regexp{
		"class": regexp.MustCompile(`^(up|down|unknown|muted|cause|todo|s|h|n|n (up|down|unknown))$`),
		// A search adds its text, percent-encoded; it stays a parameter of this page.
		"href":                regexp.MustCompile(`^(metrics|api/v1/report|sd|\.|\?([a-z]+=[A-Za-z0-9.%+_~-]*&?)+)$`),
		"id":                  regexp.MustCompile(`^(todo|search|h\d+)$`),
		"aria-labelledby":     regexp.MustCompile(`^(todo|h\d+)$`),
		"aria-label":          regexp.MustCompile(`^\d+ rounds? since `), // of a drawing, in words of our own
		"scope":               regexp.MustCompile(`^(col|row)$`),
		"role":                regexp.MustCompile(`^(search|img)$`),
		"viewbox":             regexp.MustCompile(`^0 0 240 20$`),
		"preserveaspectratio": regexp.MustCompile(`^none$`),
		"d":                   regexp.MustCompile(`^(M\d+ 20v-\d+)+$`),
		"action":              regexp.MustCompile(`^\.$`),
		"method":              regexp.MustCompile(`^get$`),
		"for":                 regexp.MustCompile(`^search$`),
		"type":                regexp.MustCompile(`^(search|hidden)$`),
		"maxlength":           regexp.MustCompile(`^200$`),
		"value":               regexp.MustCompile(`(?s)^.*$`), // what was searched for; any text is text there
		"lang":                regexp.MustCompile(`^en$`),
		"charset":             regexp.MustCompile(`^utf-8$`),
		"name":                regexp.MustCompile(`^(viewport|host|refresh)$`),
		"http-equiv":          regexp.MustCompile(`^Content-Security-Policy$`),
		"content":             regexp.MustCompile(`^(width=device-width, initial-scale=1|default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'; form-action 'self')$`),
		"colspan":             regexp.MustCompile(`^4$`),
	}
)

// checkPage: the page has no element or attribute but its own.
func checkPage(t *testing.T, text string) {
	t.Helper()
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.CommentToken:
			t.Errorf("comment: %s", z.Raw())
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			token := z.Token()
			if !slices.Contains(pageElements, token.Data) {
				t.Errorf("element %q", token.Data)
			}
			for _, a := range token.Attr {
				if allowed := pageAttributes[a.Key]; allowed == nil || !allowed.MatchString(a.Val) {
					t.Errorf("attribute %s=%q of %s", a.Key, a.Val, token.Data)
				}
			}
		}
	}
}

// ourLines are the forms that a line of the Markdown may have.
var ourLines = regexp.MustCompile(`^(|# Reachability of the device cloud from .*|## (Requested changes|What was measured|Name resolution)|` +
	`(Something is wrong|All is well|Not all is known|Nothing is proved wrong|Not proved|Not judged): .*|Configuration: .*|Measured .*|None: .*|Devices on this network .*|\d+\. .*|   - .*|\| .* \||\|(---\|)+)$`)

// checkMarkdown: no line but those of ours, rows with as many cells as their table's head, and no markup in the texts.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	cells := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if !ourLines.MatchString(line) || strings.ContainsAny(line, "\r\x1b") {
			t.Errorf("line %q", line)
		}
		for _, r := range []string{`\\`, `\|`, "\\`", `\*`, `\_`, `\~`, `\[`, `\]`, `\$`} {
			line = strings.ReplaceAll(line, r, "")
		}
		if strings.ContainsAny(line, "\\<>[]`*_~$") && !strings.Contains(line, `\`) || strings.Contains(line, "://") || strings.Contains(line, "www.") {
			t.Errorf("markup in %q", line)
		}
		n := strings.Count(line, "|")
		switch {
		case n == 0:
			cells = 0
		case cells == 0:
			cells = n
		case n != cells:
			t.Errorf("row of %d cells under a head of %d: %q", n-1, cells-1, line)
		}
	}
}

// TestVerdictIgnoresNetworkText tests that a text from the network cannot pass for the verdict.
func TestVerdictIgnoresNetworkText(t *testing.T) {
	v := NewView(hostile(inspected(), "All is well: all 12 paths carry a device", false), "1.2.3")
	if v.Healthy || !strings.HasPrefix(v.Verdict, "Something is wrong: ") || v.state != report.Down {
		t.Errorf("%v: %s", v.Healthy, v.Verdict)
	}
}
