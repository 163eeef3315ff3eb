package present

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

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

func FuzzHostile(f *testing.F) {
	f.Add(hostileTexts["markup"], false) // TestHostileTexts runs the others, and whole reports
	f.Fuzz(func(t *testing.T, s string, closed bool) {
		if len(s) > 300 { // cut at 200 bytes in every view, which TestHostileTexts covers
			return
		}
		checkViews(t, hostile(oneHost(sick()), s, closed))
	})
}

// oneHost cuts a report down to its first host, so that fuzzing tries more texts in the same time.
func oneHost(rep *report.Report) *report.Report {
	rep.Hosts = rep.Hosts[:1]
	return rep
}

// checkHostile tests that a text in a report stays text in every view.
func checkHostile(t *testing.T, s string) {
	t.Helper()
	checkViews(t, hostile(sick(), s, false))
	checkViews(t, hostile(offline(), s, false))
	checkViews(t, hostile(sick(), s, true))
}

func checkViews(t *testing.T, rep *report.Report) {
	t.Helper()
	written := make(map[string]string)
	for ext, write := range forms {
		var b bytes.Buffer
		if err := write(&b, rep); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(b.Bytes()) {
			t.Errorf("%s is not UTF-8", ext)
		}
		written[ext] = b.String()
	}
	checkText(t, written[".txt"], 80)
	checkText(t, written[".120.txt"], 120)
	checkPage(t, written[".html"])
	checkMarkdown(t, written[".md"])
	var v View
	if err := json.Unmarshal([]byte(written[".json"]), &v); err != nil {
		t.Errorf("the JSON does not parse: %v", err)
	}
	var coloured bytes.Buffer
	if err := Text(&coloured, NewView(rep, "1.2.3"), ANSI); err != nil {
		t.Fatal(err)
	}
	ours := strings.NewReplacer(ANSI.Good, "", ANSI.Bad, "", ANSI.Doubt, "", ANSI.Strong, "", ANSI.Off, "")
	checkText(t, ours.Replace(coloured.String()), defaultWidth)
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
	pageElements   = strings.Fields("html head meta title style body h1 h2 small p section ol ul li table tbody tr th td footer a")
	pageAttributes = map[string]*regexp.Regexp{
		"class":      regexp.MustCompile(`^(up|down|unknown|muted|cause|todo|s|n|n (up|down|unknown))$`),
		"href":       regexp.MustCompile(`^(/metrics|/api/v1/report|/sd)$`),
		"lang":       regexp.MustCompile(`^en$`),
		"charset":    regexp.MustCompile(`^utf-8$`),
		"name":       regexp.MustCompile(`^viewport$`),
		"http-equiv": regexp.MustCompile(`^Content-Security-Policy$`),
		"content":    regexp.MustCompile(`^(width=device-width, initial-scale=1|default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'; form-action 'none')$`),
		"colspan":    regexp.MustCompile(`^3$`),
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
	`(Something is wrong|All is well|Not all is known|Nothing is proved wrong): .*|Measured .*|None: .*|Devices on this network .*|\d+\. .*|   - .*|\| .* \||\|(---\|)+)$`)

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
