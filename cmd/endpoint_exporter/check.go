package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"golang.org/x/term"

	"github.com/endpoint-exporter/endpoint_exporter/cmd/internal/flags"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// check holds the flags of the one-shot command.
type check struct {
	*common
	targetFlags
	targets  []string
	output   string
	watch    time.Duration
	interval time.Duration
	save     string // directory for certificates

	intervalSet bool // by the user
}

func addCheck(app *kingpin.Application, c *common, commands map[string]command) {
	k := &check{common: c}
	cmd := app.Command("check", "Probe every path once, and report what is wrong and what to do. Exit code 0: all is well; 1: something is wrong; 2: usage or configuration; 3: not known or not proved.")
	cmd.Arg("target", "What to check: "+targetHelp+"; default: all endpoints of the configuration.").StringsVar(&k.targets)
	k.addTargetFlags(cmd)
	flags.Choice(cmd.Flag("output", "Format of the result: text, json, or markdown to send to the network's owner."), &k.output, "text", "json", "markdown").
		Short('o').Default("text")
	flags.Duration(cmd.Flag("watch", "Keep checking for this long, or until every DNS server has a verdict: staleness takes time to prove."), &k.watch).
		PlaceHolder("DURATION")
	flags.Duration(cmd.Flag("watch.interval", "Time between two rounds of --watch, at least survey.min_interval."), &k.interval).
		Default("15s").IsSetByUser(&k.intervalSet)
	cmd.Flag("save-certificates", "Write the certificates that the servers send into this directory, in PEM.").PlaceHolder("DIR").StringVar(&k.save)
	commands[cmd.FullCommand()] = k.run
}

func (k *check) run(ctx context.Context, stdout, stderr io.Writer) int {
	if k.intervalSet && k.watch == 0 {
		present.WriteError(stderr, "check", errors.New("--watch.interval has no effect without --watch"))
		return exitUsage
	}
	loaded, err := k.load()
	if err != nil {
		k.explain(stderr, err)
		return exitUsage
	}
	cfg := loaded.Config
	if err := k.choose(loaded, k.targets); err != nil {
		present.WriteError(stderr, "check", err)
		return exitUsage
	}
	// The result has what the log would repeat.
	logger := k.logger(io.Discard)
	if k.logLevel == "debug" {
		logger = k.logger(stderr)
	}
	pipeline, err := build(loaded, k.common, nil, logger)
	if err != nil {
		present.WriteError(stderr, "check", err)
		return exitUsage
	}
	s := survey.New(pipeline.site, survey.Options{Name: hostname(), Logger: logger})
	defer s.Close()
	k.interval = max(k.interval, cfg.Survey.MinInterval) // closer rounds would share one report
	return k.report(k.survey(ctx, s, stderr), stdout, stderr)
}

// survey makes one round or, with --watch, rounds until every DNS server has a verdict, the time is over or the context
// is cancelled.
func (k *check) survey(ctx context.Context, s *survey.Survey, stderr io.Writer) *report.Report {
	progress := startProgress(stderr)
	defer progress.stop()
	progress.say(present.ProbingText)
	end := time.Now().Add(k.watch)
	rep := s.Run(ctx)
	open := newOpenVerdicts()
	for ctx.Err() == nil {
		ready, open := open.count(rep)
		if open == 0 || !time.Now().Add(k.interval).Before(end) {
			break
		}
		progress.say(present.WatchText(open, ready, end))
		select {
		case <-ctx.Done():
			return rep
		case <-time.After(k.interval):
		}
		next := s.Run(ctx)
		if ctx.Err() != nil {
			break // a cancelled round is less complete than the one before it
		}
		rep = next
	}
	return rep
}

// maxUnknownRounds is how many rounds in a row a verdict may be unknown, without a time at which it can be expected,
// before the watch stops waiting for it: a server that does not answer now may answer in a minute.
const maxUnknownRounds = 8

// openVerdicts follows from round to round which resolvers may still get a verdict.
type openVerdicts struct {
	unknown map[[2]string]int // rounds in a row, by service and host, and resolver
}

func newOpenVerdicts() openVerdicts { return openVerdicts{make(map[[2]string]int)} }

// count counts the resolvers that may still get a verdict. ready is when the last of them can, zero if that is not
// known.
func (o openVerdicts) count(rep *report.Report) (ready time.Time, open int) {
	for i := range rep.Hosts {
		h := &rep.Hosts[i]
		for _, r := range h.Resolvers {
			key := [2]string{h.Endpoint.Service + " " + h.Endpoint.Host, r.Lookup.Resolver.String()}
			learning := !r.Staleness.Ready.IsZero()
			if r.Staleness.Verdict != staleness.Unknown || learning {
				o.unknown[key] = 0
			} else {
				o.unknown[key]++
			}
			switch r.Staleness.Verdict {
			case staleness.OK, staleness.Stale:
				continue
			case staleness.Suspect:
			case staleness.Unknown:
				if !learning && o.unknown[key] >= maxUnknownRounds {
					continue
				}
			}
			open++
			if r.Staleness.Verdict == staleness.Unknown && r.Staleness.Ready.After(ready) {
				ready = r.Staleness.Ready
			}
		}
	}
	return ready, open
}

// report writes the result and chooses the exit code.
func (k *check) report(rep *report.Report, stdout, stderr io.Writer) int {
	view := present.NewView(rep, version.Version)
	var err error
	switch k.output {
	case "json":
		err = present.JSON(stdout, view)
	case "markdown":
		err = present.Markdown(stdout, view)
	default:
		err = present.Text(stdout, view, palette(stdout))
	}
	if err != nil {
		present.WriteError(stderr, "check", fmt.Errorf("write the result: %w", err))
		return exitUnhealthy
	}
	if k.save != "" {
		if err := saveCertificates(k.save, rep); err != nil {
			present.WriteError(stderr, "check", fmt.Errorf("save certificates: %w", err))
			return exitUnhealthy
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

// palette is that of the terminal that w writes to: its width, and colours unless NO_COLOR is set
// (https://no-color.org).
func palette(w io.Writer) present.Palette {
	width, ok := terminalWidth(w)
	if !ok {
		return present.Palette{}
	}
	p := present.ANSI
	if os.Getenv("NO_COLOR") != "" {
		p = present.Palette{}
	}
	p.Width = width
	return p
}

// terminalWidth is the number of columns of a terminal, 0 if it is not known; ok is false if w is not a terminal.
func terminalWidth(w io.Writer) (columns int, ok bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, true
	}
	return columns, true
}
