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
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trace"
)

// check holds the flags of the one-shot command.
type check struct {
	*common
	targetFlags
	targets        []string
	output         string
	watch          time.Duration
	interval       time.Duration
	certificateDir string
	onlyFailures   bool // show no rows that are ok
	trace          bool

	allowList bool // print what a firewall must allow, instead of what was measured
	addresses bool // with the addresses that DNS gives now

	intervalSet bool // by the user
}

func addCheck(app *kingpin.Application, c *common, commands map[string]command) {
	k := &check{common: c}
	cmd := app.Command("check", "Probe every path once, and report what is wrong and what to do. Exit code 0: all is well; 1: something is wrong; 2: usage or configuration; 3: not known or not proved.")
	cmd.Arg("target", "What to check: "+targetHelp+"; default: all endpoints of the configuration.").HintAction(c.targetHints).StringsVar(&k.targets)
	k.addTargetFlags(cmd)
	flags.Choice(cmd.Flag("output", "Format of the result: text, json, or markdown to send to the network's owner."), &k.output, "text", "json", "markdown").
		Short('o').Default("text")
	flags.Duration(cmd.Flag("watch", "Keep checking for this long, for example 30m: the first round is printed at once, then one line per change, then what each path did. "+
		"The exit code is 1 if any round failed. It shows what fails now and then, and whether DNS servers keep records past their TTL, which takes time to prove."), &k.watch).
		PlaceHolder("DURATION")
	flags.Duration(cmd.Flag("watch.interval", "Time between the beginnings of two rounds of --watch, at least survey.min_interval."), &k.interval).
		Default("15s").IsSetByUser(&k.intervalSet)
	cmd.Flag("trace", "For each blocked path, find the hop at which its packets are lost, by increasing IP TTL; at most 45 s. Only on Linux.").BoolVar(&k.trace)
	cmd.Flag("failures", "Leave out the rows of the table that are ok.").BoolVar(&k.onlyFailures)
	cmd.Flag("save-certificates", "Write the certificates that the servers send into this directory, in PEM.").PlaceHolder("DIR").StringVar(&k.certificateDir)
	cmd.Flag("allow-list", "With --output=markdown: print the hosts, ports and protocols that a firewall must allow, and probe nothing.").BoolVar(&k.allowList)
	cmd.Flag("addresses", "With --allow-list: make a round, and add the addresses that DNS gives now. They change without notice.").BoolVar(&k.addresses)
	commands[cmd.FullCommand()] = k.run
}

// conflict returns an error if the flags do not fit together.
func (k *check) conflict() error {
	switch {
	case k.intervalSet && k.watch == 0:
		return errors.New("--watch.interval has no effect without --watch")
	case k.onlyFailures && k.output != "text":
		return errors.New("--failures has no effect with --output=" + k.output)
	case k.addresses && !k.allowList:
		return errors.New("--addresses has no effect without --allow-list")
	case k.allowList && k.output != "markdown":
		return errors.New("--allow-list needs --output=markdown")
	case k.allowList && (k.watch > 0 || k.certificateDir != ""):
		return errors.New("--allow-list cannot be combined with --watch or --save-certificates")
	case k.trace && k.watch > 0:
		return errors.New("--trace and --watch exclude each other")
	}
	return nil
}

func (k *check) run(ctx context.Context, stdout, stderr io.Writer) int {
	if err := k.conflict(); err != nil {
		return fail(stderr, "check", exitUsage, err)
	}
	load := k.load
	if len(k.targets) > 0 {
		load = k.loadForTargets
	}
	loaded, err := load()
	if err != nil {
		return k.explain(stderr, err)
	}
	cfg := loaded.Config
	if err := k.choose(loaded, k.targets); err != nil {
		return fail(stderr, "check", exitUsage, err)
	}
	if k.allowList && !k.addresses {
		return k.writeAllowList(cfg, nil, stdout, stderr)
	}
	s, _, err := k.survey(loaded, stderr)
	if err != nil {
		return fail(stderr, "check", exitUsage, err)
	}
	defer s.Close()
	k.interval = max(k.interval, cfg.Survey.MinInterval) // closer rounds would share one report
	if k.watch > 0 {
		return k.watchRounds(ctx, s, stdout, stderr)
	}
	rep := k.round(ctx, s, stderr)
	if k.allowList {
		return k.writeAllowList(cfg, rep, stdout, stderr)
	}
	return k.finish(rep, stderr, k.write(rep, stdout))
}

// round makes one round, and traces what it finds blocked if that is asked for.
func (k *check) round(ctx context.Context, s *survey.Survey, stderr io.Writer) *report.Report {
	progress := startProgress(stderr)
	defer progress.stop()
	progress.set(present.ProbingText)
	rep := s.Run(ctx)
	if !k.trace || rep.Interrupted {
		return rep
	}
	progress.set(present.TracingText)
	traced := *rep // the survey's own is shared
	traced.Traces = trace.BlockedPaths(ctx, rep)
	return &traced
}

// write writes a report in the chosen form.
func (k *check) write(rep *report.Report, stdout io.Writer) error {
	view := present.NewView(rep, version.Version)
	switch k.output {
	case "json":
		return present.JSON(stdout, view)
	case "markdown":
		return present.Markdown(stdout, view)
	}
	return present.Text(stdout, view, k.palette(stdout))
}

// writeAllowList writes what a firewall must allow, and returns the exit code; rep has the addresses, or is nil.
func (k *check) writeAllowList(cfg *config.Config, rep *report.Report, stdout, stderr io.Writer) int {
	if err := present.AllowList(stdout, cfg.Endpoints, cfg.Trust, rep); err != nil {
		return fail(stderr, "check", exitUnhealthy, fmt.Errorf("write the list: %w", err))
	}
	if rep != nil && rep.Interrupted {
		return exitUnknown
	}
	return exitOK
}

// palette is that of a terminal, with the rows that the user wants.
func (k *check) palette(w io.Writer) present.Palette {
	p := palette(w)
	p.OnlyFailures = k.onlyFailures
	return p
}

// palette is that of the terminal that w writes to: its width, and colours unless NO_COLOR is set
// (https://no-color.org).
func palette(w io.Writer) present.Palette {
	width, _, ok := terminalSize(w)
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

// terminalSize returns the columns and lines of a terminal, 0 if they are not known; ok is false if w is not a terminal
// that interprets escape codes.
func terminalSize(w io.Writer) (columns, lines int, ok bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || !enableEscapes(f) {
		return 0, 0, false
	}
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0, true
	}
	return columns, lines, true
}
