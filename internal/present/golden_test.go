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

// forms are what a report is written as, by the ending of the golden file.
var forms = map[string]func(io.Writer, *report.Report) error{
	".txt":     func(w io.Writer, r *report.Report) error { return Text(w, NewView(r), Palette{Width: 80}) },
	".120.txt": func(w io.Writer, r *report.Report) error { return Text(w, NewView(r), Palette{Width: 120}) },
	".md":      func(w io.Writer, r *report.Report) error { return Markdown(w, NewView(r)) },
	".json":    JSON,
	".html": func(w io.Writer, r *report.Report) error {
		return Page(w, r, PageOptions{MetricsPath: "/metrics", Version: "1.2.3", Now: r.Finished.Add(7 * time.Second)})
	},
}

// TestGolden holds the forms of every report against what was last looked at and found good.
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
