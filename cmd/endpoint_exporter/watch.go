package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/version"

	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
	"github.com/endpoint-exporter/endpoint_exporter/internal/watch"
)

// watchRounds makes rounds until the time of --watch is over or the context is cancelled. It writes the first report
// and then each change at once, and returns the exit code.
func (k *check) watchRounds(ctx context.Context, s *survey.Survey, stdout, stderr io.Writer) int {
	out := &watchOutput{check: k, stdout: stdout, progress: startProgress(stderr)}
	defer out.progress.stop()
	out.progress.set(present.ProbingText)
	began := time.Now()
	end := began.Add(k.watch)
	rep := s.Run(ctx)
	var w watch.Watch
	w.Add(rep)
	out.first(&w)
	if rep.Interrupted {
		return k.finish(rep, stderr, out.err)
	}
	for next := began.Add(k.interval); next.Before(end) && out.err == nil; next = slices.MaxFunc([]time.Time{next.Add(k.interval), time.Now()}, time.Time.Compare) {
		out.progress.set(present.WatchProgress(&w, end))
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(next)):
			rep = s.Run(ctx)
		}
		if ctx.Err() != nil {
			break // a cancelled round is less complete than the one before it
		}
		out.round(&w, w.Add(rep))
	}
	interrupted := ctx.Err() != nil
	out.end(&w, interrupted)
	code := k.finish(w.Last, stderr, out.err)
	switch {
	case w.Failed > 0:
		return exitUnhealthy
	case code == exitOK && (interrupted || w.Unknown > 0):
		return exitUnknown
	}
	return code
}

// watchOutput writes the output of a watch: plain lines, one JSON object per line, or on a terminal lines above a table
// that is rewritten after each round. It keeps the first error of a write.
type watchOutput struct {
	check    *check
	stdout   io.Writer
	progress *progress
	table    int // lines of the table that is shown now
	err      error
}

// first writes the report of the first round.
func (o *watchOutput) first(w *watch.Watch) {
	o.write(func() error {
		switch o.check.output {
		case "markdown":
			return nil // one document, at the end
		case "json":
			return present.WatchJSON(o.stdout, &present.WatchEvent{Event: "report", Time: w.Finished, Report: present.NewView(w.Last, version.Version)})
		}
		if err := o.check.write(w.Last, o.stdout); err != nil || w.Last.Interrupted {
			return err
		}
		line := present.WatchStarted(o.check.watch, o.check.interval)
		if width, _, ok := terminalSize(o.stdout); ok {
			line = present.Wrap(line, width, "")
		}
		_, err := fmt.Fprintf(o.stdout, "\n%s\n", line)
		return err
	})
	o.round(w, nil)
}

// round writes the changes of a round.
func (o *watchOutput) round(w *watch.Watch, changes []watch.Change) {
	if o.check.output == "markdown" || w.Last.Interrupted {
		return
	}
	o.write(func() error {
		p := palette(o.stdout)
		var b strings.Builder
		for i := range changes {
			if o.check.output == "json" {
				event := present.WatchEvent{Event: "change", Time: changes[i].Time, Change: present.NewChangeView(&changes[i])}
				if err := present.WatchJSON(&b, &event); err != nil {
					return err
				}
				continue
			}
			b.WriteString(present.WatchChange(&changes[i], p))
		}
		if o.check.output == "text" {
			table := present.WatchTable(w, p)
			if lines := strings.Count(table, "\n"); lines < terminalHeight(o.stdout)-1 {
				o.table = lines
				b.WriteString(table)
			}
		}
		_, err := io.WriteString(o.stdout, b.String())
		return err
	})
}

// end writes what every path did.
func (o *watchOutput) end(w *watch.Watch, interrupted bool) {
	o.progress.stop()
	o.write(func() error {
		switch o.check.output {
		case "markdown":
			return present.WatchMarkdown(o.stdout, w, interrupted, version.Version)
		case "json":
			return present.WatchJSON(o.stdout, &present.WatchEvent{Event: "summary", Time: w.Finished, Summary: present.NewSummaryView(w, interrupted, version.Version)})
		}
		return present.WatchSummary(o.stdout, w, interrupted, version.Version, o.check.palette(o.stdout))
	})
}

// write clears the table and the progress, and calls a function that writes.
func (o *watchOutput) write(f func() error) {
	if o.err != nil {
		return
	}
	o.progress.aside(func() {
		if o.table > 0 {
			const upAndClear = "\x1b[%dA\r\x1b[J"
			_, o.err = fmt.Fprintf(o.stdout, upAndClear, o.table)
			o.table = 0
		}
		if o.err == nil {
			o.err = f()
		}
	})
}

// terminalHeight is the number of lines of a terminal that can move its cursor, 0 for everything else.
func terminalHeight(w io.Writer) int {
	if os.Getenv("TERM") == "dumb" {
		return 0
	}
	_, lines, _ := terminalSize(w)
	return lines
}

// finish saves the certificates of a report, reports what could not be written, and chooses the exit code.
func (k *check) finish(rep *report.Report, stderr io.Writer, written error) int {
	if written != nil {
		return fail(stderr, "check", exitUnhealthy, fmt.Errorf("write the result: %w", written))
	}
	if k.certificateDir != "" {
		if err := saveCertificates(k.certificateDir, rep); err != nil {
			return fail(stderr, "check", exitUnhealthy, fmt.Errorf("save certificates: %w", err))
		}
	}
	if rep.Interrupted {
		return exitUnknown
	}
	switch rep.Summary.State {
	case report.Up:
		return exitOK
	case report.Unknown:
		return exitUnknown
	case report.Down:
	}
	return exitUnhealthy
}
