//go:build browser

package present

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// pageChecks is a page that shows another one in a frame of a width and lists what is wrong with it: content wider than
// the frame, text with a contrast below that of WCAG 2.2 (1.4.3, level AA), parts of tables whose role a screen reader
// would not know, and fields, tables and drawings without a name. It ends with the number of texts compared.
const pageChecks = `<!doctype html><title>running</title><pre></pre><iframe width="%d" height="900" src="/%s"></iframe>
<script>
onload = () => {
  const frame = document.querySelector("iframe"), page = frame.contentDocument, view = frame.contentWindow, out = [];
  const fail = (what, e) => out.push(what + ": <" + e.tagName.toLowerCase() + "> " + (e.getAttribute("class") || "") + " " + e.textContent.trim().slice(0, 60));
  const root = page.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    out.push("content of " + root.scrollWidth + " px in a window of " + root.clientWidth + " px");
    for (const e of page.querySelectorAll("body *")) if (e.getBoundingClientRect().right > root.clientWidth + 1) fail("too wide", e);
  }
  const rgba = c => { const n = c.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, alpha, below) => top.slice(0, 3).map((c, i) => c * alpha + below[i] * (1 - alpha));
  const probe = page.body.appendChild(page.createElement("span"));
  probe.style.backgroundColor = "Canvas";
  const canvas = rgba(view.getComputedStyle(probe).backgroundColor);
  probe.remove();
  const luminance = c => c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  let texts = 0;
  for (let walk = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT), n; n = walk.nextNode();) {
    if (!n.data.trim() || n.parentElement.closest("svg")) continue;
    let opacity = 1, chain = [];
    for (let e = n.parentElement; e; e = e.parentElement) { chain.unshift(e); opacity *= view.getComputedStyle(e).opacity; }
    let below = canvas.slice(0, 3);
    for (const e of chain) { const c = rgba(view.getComputedStyle(e).backgroundColor); below = over(c, c[3], below); }
    const style = view.getComputedStyle(n.parentElement), color = rgba(style.color);
    const [a, b] = [luminance(over(color, color[3] * opacity, below)), luminance(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    if (ratio < (large ? 3 : 4.5)) fail("contrast " + ratio.toFixed(2), n.parentElement);
    texts++;
  }
  const roles = {table: "table", td: "cell", "thead th": "columnheader", "tbody th": "rowheader", svg: "img", main: "main", footer: "contentinfo", "input[type=search]": "searchbox"};
  for (const [selector, role] of Object.entries(roles)) for (const e of page.querySelectorAll(selector)) {
    const got = e.computedRole === "image" ? "img" : e.computedRole;
    if (got !== role) fail("role " + got + ", want " + role, e);
    if (/^(table|img|searchbox)$/.test(role) && !e.computedName) fail("no name", e);
  }
  document.querySelector("pre").textContent = out.join("\n");
  document.title = "compared " + texts + " dark=" + view.matchMedia("(prefers-color-scheme: dark)").matches;
};
</script>`

// chromium runs Chromium without a window on an address, and returns what it prints.
func chromium(t *testing.T, address string, dark bool, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	scheme := 1
	if dark {
		scheme = 0
	}
	arguments = append(arguments, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=5000", "--enable-blink-features=ComputedAccessibilityInfo",
		fmt.Sprintf("--blink-settings=preferredColorScheme=%d", scheme), address)
	out, err := exec.CommandContext(ctx, "chromium", arguments...).Output() //nolint:gosec // our own arguments
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return string(out)
}

// pictures is the directory in which TestPagePicture writes the pictures of the README.
var pictures = flag.String("pictures", "", "directory for pictures of the page; none: a temporary one")

// TestPagePicture draws the page of a site with faults.
func TestPagePicture(t *testing.T) {
	directory := *pictures
	if directory == "" {
		directory = t.TempDir()
	}
	rep := udpBlocked()
	history := func(endpoint config.Key, p measurement.Path) (points []report.Point) {
		host := rep.Hosts[slices.IndexFunc(rep.Hosts, func(h report.Host) bool { return h.Endpoint.Key() == endpoint })]
		path := host.Paths[slices.IndexFunc(host.Paths, func(have report.Path) bool { return have.Path == p })]
		random := rand.New(rand.NewPCG(uint64(p.Port), uint64(len(p.Transport)))) //nolint:gosec // a picture
		for i := range report.MaxPoints {
			point := report.Point{At: started.Add(time.Duration(i-report.MaxPoints) * 15 * time.Second), State: report.Up, Took: time.Duration(40+random.IntN(20)) * time.Millisecond}
			if !path.Up && i > 70 || p.Port == 443 && i >= 30 && i < 34 {
				point.State, point.Took = report.Down, 0
			}
			points = append(points, point)
		}
		return points
	}
	page := filepath.Join(directory, "page.html")
	var b bytes.Buffer
	if err := Page(&b, NewView(rep, "1.2.3"), PageOptions{MetricsPath: "metrics", Now: started.Add(8 * time.Second), History: history, Refresh: time.Second}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(page)
	file := filepath.Join(directory, "page.png")
	chromium(t, "file://"+page, false, "--screenshot="+file, "--window-size=1280,900")
	if picture, err := os.ReadFile(file); err != nil || !bytes.HasPrefix(picture, []byte("\x89PNG")) {
		t.Errorf("the picture is not drawn: %v", err)
	}
}

// TestPageInBrowser opens pages in Chromium in a window of a telephone and one of a desk, in light and dark colours.
func TestPageInBrowser(t *testing.T) {
	options := PageOptions{MetricsPath: "metrics", Now: started.Add(time.Minute), History: someHistory, Refresh: time.Minute, Filter: ".", Notice: "The configuration file was refused."}
	pages := map[string]func(io.Writer) error{
		"sick":    func(w io.Writer) error { return Page(w, NewView(sick(), "1.2.3"), options) },
		"offline": func(w io.Writer) error { return Page(w, NewView(offline(), "1.2.3"), options) },
		"long": func(w io.Writer) error {
			return Page(w, NewView(hostile(sick(), hostileTexts["long"], false), "1.2.3"), options)
		},
		"waiting": func(w io.Writer) error {
			return Page(w, NewView(sick(), "1.2.3"), PageOptions{MetricsPath: "metrics", Hosts: 8, Measured: 7, Refresh: time.Second})
		},
		// A page with a fault of each kind, to test the checks themselves.
		"faulty": func(w io.Writer) error {
			_, err := io.WriteString(w, `<!doctype html><table><tr><td style="color: #999; background: #aaa">grey on grey</td></tr></table>`+
				`<p style="width: 2000px">wide</p><table style="display: block" role="presentation"><tr><td>cell</td></tr></table>`)
			return err
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		name := strings.TrimPrefix(r.URL.Path, "/")
		if width := r.URL.Query().Get("width"); width != "" {
			var n int
			if _, err := fmt.Sscan(width, &n); err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, pageChecks, n, name)
			return
		}
		write := pages[name]
		if write == nil {
			http.NotFound(w, r)
			return
		}
		if err := write(w); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	for name := range pages {
		for _, width := range []int{390, 1280} {
			for _, dark := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d dark=%v", name, width, dark), func(t *testing.T) {
					root, err := html.Parse(strings.NewReader(chromium(t, fmt.Sprintf("%s/%s?width=%d", server.URL, name, width), dark, "--dump-dom", "--window-size=1600,1000")))
					if err != nil {
						t.Fatal(err)
					}
					var compared int
					var wrong string
					var wasDark bool
					for n := range root.Descendants() {
						switch {
						case n.Data == "title" && n.FirstChild != nil:
							_, err = fmt.Sscanf(n.FirstChild.Data, "compared %d dark=%t", &compared, &wasDark)
						case n.Data == "pre" && n.FirstChild != nil:
							wrong = n.FirstChild.Data
						}
					}
					if err != nil || compared == 0 || wasDark != dark {
						t.Fatalf("%d texts compared, dark %v: %v", compared, wasDark, err)
					}
					if name == "faulty" {
						for _, want := range []string{"px in a window of", "contrast ", "role ", "no name"} {
							if !strings.Contains(wrong, want) {
								t.Errorf("%q is not found: %s", want, wrong)
							}
						}
					} else if wrong != "" {
						t.Errorf("of %d texts:\n%s", compared, wrong)
					}
				})
			}
		}
	}
}
