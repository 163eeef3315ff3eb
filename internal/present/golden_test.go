package present

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// forms are the views of a report, by the extension of the golden file.
var forms = map[string]func(io.Writer, *report.Report) error{
	".txt":     func(w io.Writer, r *report.Report) error { return Text(w, NewView(r, "1.2.3"), Palette{Width: 80}) },
	".120.txt": func(w io.Writer, r *report.Report) error { return Text(w, NewView(r, "1.2.3"), Palette{Width: 120}) },
	".md":      func(w io.Writer, r *report.Report) error { return Markdown(w, NewView(r, "1.2.3")) },
	".json":    func(w io.Writer, r *report.Report) error { return JSON(w, NewView(r, "1.2.3")) },
	".html": func(w io.Writer, r *report.Report) error {
		return Page(w, NewView(r, "1.2.3"), PageOptions{
			MetricsPath: "metrics", Now: r.Finished.Add(7 * time.Second), History: someHistory, Refresh: 10 * time.Second, Measuring: true,
		})
	},
}

// TestGolden compares each view of each report with its golden file.
func TestGolden(t *testing.T) {
	inEveryForm := []string{"well", "sick", "offline"}
	var used []string
	for name, rep := range reports() {
		for ext, write := range forms {
			if ext != ".txt" && ext != ".md" && !slices.Contains(inEveryForm, name) {
				continue
			}
			file := filepath.Join("testdata", name+ext)
			used = append(used, file)
			t.Run(name+ext, func(t *testing.T) {
				var got bytes.Buffer
				if err := write(&got, rep); err != nil {
					t.Fatal(err)
				}
				golden.Equal(t, file, got.String())
			})
		}
	}
	golden.Exact(t, "testdata/*", used)
}
