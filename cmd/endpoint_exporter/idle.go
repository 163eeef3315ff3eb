package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/cmd/internal/flags"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/idle"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// idleCommand holds the flags of the idle command.
type idleCommand struct {
	*common
	target    string
	steps     string
	keepalive time.Duration

	stepsSet bool // by the user
}

func addIdle(app *kingpin.Application, c *common, commands map[string]command) {
	k := &idleCommand{common: c}
	cmd := app.Command("idle", "Measure how long a silent connection survives on the way to a host, and say which keepalives of devices do. "+
		"It takes as long as the longest silence. Exit code 0: a device gets through, measured, and --keepalive survives; 1: one of these is not so, or not known; 2: usage or configuration.")
	cmd.Arg("target", "HOST[:PORT][/udp]: a path of the configuration. HOST may be its first label; default: its first path over TCP.").
		Required().StringVar(&k.target)
	cmd.Flag("steps", "Silences to keep, as 30s,60s,540s; default: idle.steps of the configuration.").PlaceHolder("LIST").
		IsSetByUser(&k.stepsSet).StringVar(&k.steps)
	flags.Duration(cmd.Flag("keepalive", "A device's keepalive, measured in addition; exit with 1 unless it survives."), &k.keepalive).PlaceHolder("DURATION")
	commands[cmd.FullCommand()] = k.run
}

func (k *idleCommand) run(ctx context.Context, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		present.WriteError(stderr, "idle", err)
		return code
	}
	loaded, err := k.load()
	if err != nil {
		k.explain(stderr, err)
		return exitUsage
	}
	cfg := loaded.Config
	steps, err := k.silences(cfg.Idle.Steps)
	if err != nil {
		return fail(exitUsage, err)
	}
	if err := onlyPath(cfg, k.target); err != nil {
		return fail(exitUsage, err)
	}
	logger := k.logger(io.Discard)
	if k.logLevel == "debug" {
		logger = k.logger(stderr)
	}
	pipeline, err := build(loaded, k.common, nil, logger)
	if err != nil {
		return fail(exitUsage, err)
	}
	progress := startProgress(stderr)
	progress.say("resolving the host and walking the path")
	s := survey.New(pipeline.site, survey.Options{Name: hostname(), Logger: logger})
	report := s.Run(ctx)
	s.Close()
	if len(report.Hosts) == 0 || len(report.Hosts[0].Paths) == 0 {
		progress.stop()
		return fail(exitUnhealthy, errors.New("interrupted before the path was walked"))
	}
	walked := &report.Hosts[0].Paths[0]
	first := idle.Walked(walked)
	if first == nil {
		progress.stop()
		return fail(exitUnhealthy, fmt.Errorf("there is no address to call: %s", present.FindingText(&walked.Finding)))
	}
	endpoint := report.Hosts[0].Endpoint
	target := path.TargetFor(endpoint, walked.Path, first.Outcome.Address.Addr())
	said, foreign := findingText(&first.Finding, endpoint.Host, walked.Path), idle.Foreign(&first.Finding)
	var result idle.Result
	if foreign != "" {
		said += fmt.Sprintf("Silence is not measured: %s.\n", foreign)
	} else {
		progress.say("looking for a sign of life on the path")
		result = (&idle.Round{
			Open: pipeline.idleSession, Target: target, Steps: steps, Parallel: len(steps), Turn: idle.Turns(idle.OpeningPace),
			Progress: func(p idle.Progress) { progress.sayUntil(progressWords(p), p.Ends) },
		}).Run(ctx)
		said += k.text(target, &result)
	}
	progress.stop()
	if width, ok := terminalWidth(stdout); ok && width > 0 {
		said = wrapped(said, width)
	}
	if _, err := io.WriteString(stdout, headline(target)+said); err != nil {
		return fail(exitUnhealthy, fmt.Errorf("write the result: %w", err))
	}
	if first.Finding.Reason != reason.OK || !result.Whole || result.Bounds.Reason == idle.ReasonUnknown || k.keepalive > 0 && result.Bounds.Carries(k.keepalive) != idle.Carried {
		return exitUnhealthy
	}
	return exitOK
}

// progressWords says how far a round has come.
func progressWords(p idle.Progress) string {
	connections := "connections"
	if p.Silent == 1 {
		connections = "connection"
	}
	return fmt.Sprintf("%d %s silent, %d done", p.Silent, connections, p.Done)
}

// findingText says why a device does not get through, and what to do about that; "" if it does.
func findingText(f *report.Finding, host string, p measurement.Path) string {
	if f.Reason == reason.OK {
		return ""
	}
	return fmt.Sprintf("This path does not carry a device (%s): %s.\n%s\n", f.Reason, present.FindingText(f), present.AdviceText(f, host, p))
}

// headline names a path.
func headline(target path.Target) string {
	at := target.Address
	return fmt.Sprintf("%s (%s), %s port %d\n", target.Host, at.Addr(), target.Transport, at.Port())
}

// longestStep is that of the configuration's idle.steps.
const longestStep = 24 * time.Hour

// silences are the steps to measure, ascending: those asked for, or the configuration's, and the keepalive.
func (k *idleCommand) silences(configured []time.Duration) ([]time.Duration, error) {
	steps := slices.Clone(configured)
	if k.steps != "" || k.stepsSet {
		steps = nil
		for _, item := range strings.Split(k.steps, ",") {
			step, err := time.ParseDuration(strings.TrimSpace(item))
			if err != nil {
				return nil, fmt.Errorf("--steps: %q is not a duration such as 30s", measurement.Text(item))
			}
			steps = append(steps, step)
		}
	}
	if k.keepalive != 0 {
		steps = append(steps, k.keepalive)
	}
	slices.Sort(steps)
	steps = slices.Compact(steps)
	switch {
	case steps[0] <= 0 || steps[len(steps)-1] > longestStep:
		return nil, fmt.Errorf("--steps, --keepalive: a silence must be longer than 0s and no longer than %s", longestStep)
	case len(steps) > 33: // as many as a configuration may have, and the keepalive
		return nil, errors.New("--steps: there are more than 32")
	}
	return steps, nil
}

// onlyPath keeps one path of one endpoint: HOST[:PORT][/TRANSPORT].
func onlyPath(cfg *config.Config, target string) error {
	asked, err := config.ParseTarget(target)
	if err != nil {
		return err
	}
	if err := only(cfg, []string{asked.Name}); err != nil {
		return err
	}
	var found *config.Endpoint
	var chosen measurement.Path
	var known []string
	for i := range cfg.Endpoints {
		e := &cfg.Endpoints[i]
		for _, p := range e.Paths {
			known = append(known, fmt.Sprintf("%s:%d/%s", e.Host, p.Port, p.Transport))
			fits := (asked.Port == 0 || p.Port == asked.Port) && (asked.Transport == "" || p.Transport == asked.Transport)
			// TCP unless UDP is asked for, or is all there is.
			if fits && (found == nil || chosen.Transport == measurement.UDP && p.Transport == measurement.TCP) {
				found, chosen = e, p
			}
		}
	}
	if found == nil {
		return fmt.Errorf("%s is not a path of the configuration; known are %s", measurement.Text(target), strings.Join(known, ", "))
	}
	endpoint := *found
	endpoint.Paths = []measurement.Path{chosen}
	cfg.Endpoints = []config.Endpoint{endpoint}
	return nil
}

// silenceColumns are those before what became of a silence, in the table of the result.
const silenceColumns = 12

// wrapped breaks the lines of a result for a terminal, those of its table within their column.
func wrapped(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		lead := 0
		if strings.HasPrefix(line, " ") {
			lead = min(silenceColumns, len(line))
		}
		b.WriteString(line[:lead] + present.Wrap(line[lead:], max(width-lead, silenceColumns), strings.Repeat(" ", lead)) + "\n")
	}
	return b.String()
}

// text is the result for a person: what each connection showed, and what it means.
func (k *idleCommand) text(target path.Target, r *idle.Result) string {
	var b strings.Builder
	switch {
	case len(r.Seen) == 0: // a heading over nothing
	case r.Proof == idle.ByPing:
		b.WriteString("Asked by a CoAP ping after each silence:\n")
	case r.Proof == idle.ByHello:
		b.WriteString("Asked by a hello, sent after each silence:\n")
	}
	slices.SortStableFunc(r.Seen, func(a, b idle.Observation) int { return cmp.Compare(a.Step, b.Step) })
	if r.Proof != "" {
		for _, o := range r.Seen {
			fmt.Fprintf(&b, "  %8s  %s", idle.Seconds(o.Step), o.Ending)
			if o.After > 0 && o.After < o.Step {
				fmt.Fprintf(&b, " after %s", idle.Seconds(o.After))
			}
			if rest := strings.TrimPrefix(o.Detail, string(o.Ending)); rest != o.Detail {
				b.WriteString(rest) // it says the same and more
			} else if o.Detail != "" {
				fmt.Fprintf(&b, ": %s", o.Detail)
			}
			b.WriteString("\n")
		}
	}
	if !r.Whole {
		b.WriteString("Interrupted. So far: ")
	} else {
		b.WriteString("Result: ")
	}
	fmt.Fprintf(&b, "%s.\n", r.Bounds.Why)
	of := idle.Measured{
		Transport: target.Transport,
		Client:    target.Client,
		NAT:       measurement.NATBetween(r.Without.Local.Addr(), target.Address.Addr()),
		Whole:     r.Whole,
	}
	for _, line := range idle.Advice(&r.Bounds, of) {
		b.WriteString(line + "\n")
	}
	if k.keepalive > 0 {
		fmt.Fprintf(&b, "A keepalive of %s %s here.\n", idle.Seconds(k.keepalive), r.Bounds.Carries(k.keepalive))
	}
	return b.String()
}
