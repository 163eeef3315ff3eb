package main

import (
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
)

// idleCommand holds the flags of the idle command.
type idleCommand struct {
	*common
	targetFlags
	target    string
	steps     string
	keepalive time.Duration

	stepsSet bool // by the user
}

func addIdle(app *kingpin.Application, c *common, commands map[string]command) {
	k := &idleCommand{common: c}
	cmd := app.Command("idle", "Measure how long a silent connection survives on the path to a host if the device speaks first, and which keepalives of devices survive. "+
		"It takes as long as the longest silence. Exit code 0: a device gets through, there is a result, and the keepalive survives if one is configured or given; "+
		"1: something is wrong: the path fails, the keepalive does not survive, or the path expires UDP connections between registration updates; "+
		"2: usage or configuration; 3: not known, not proved or not judged, or interrupted.")
	cmd.Arg("target", "What to measure: "+targetHelp+". Of several paths, the first over TCP.").Required().HintAction(c.targetHints).StringVar(&k.target)
	k.addTargetFlags(cmd)
	cmd.Flag("steps", "Silences to measure, for example 30s,60s,540s; default: idle.steps of the configuration.").PlaceHolder("LIST").
		IsSetByUser(&k.stepsSet).StringVar(&k.steps)
	flags.Duration(cmd.Flag("keepalive", "Keepalive of the devices, to measure in addition; default over TCP: keepalive of the endpoint in the configuration."), &k.keepalive).
		PlaceHolder("DURATION")
	commands[cmd.FullCommand()] = k.run
}

func (k *idleCommand) run(ctx context.Context, stdout, stderr io.Writer) int {
	loaded, err := k.loadForTargets()
	if err != nil {
		return k.explain(stderr, err)
	}
	cfg := loaded.Config
	if err := k.choose(loaded, []string{k.target}); err != nil {
		return fail(stderr, "idle", exitUsage, err)
	}
	onePath(cfg)
	if e := &cfg.Endpoints[0]; k.keepalive == 0 && e.Paths[0].Transport == measurement.TCP {
		k.keepalive = e.Keepalive
	}
	steps, err := k.stepsToMeasure(cfg.Idle.Steps)
	if err != nil {
		return fail(stderr, "idle", exitUsage, err)
	}
	s, pipeline, err := k.survey(loaded, stderr)
	if err != nil {
		return fail(stderr, "idle", exitUsage, err)
	}
	progress := startProgress(stderr)
	progress.set("resolving the host and probing the path")
	rep := s.Run(ctx)
	s.Close()
	if rep.Interrupted {
		progress.stop()
		return fail(stderr, "idle", exitUnknown, errors.New("interrupted before the path was probed to its end"))
	}
	probed := &rep.Hosts[0].Paths[0]
	first := idle.DeviceWalk(probed)
	if first == nil {
		progress.stop()
		code := exitUnhealthy
		if !probed.Known {
			code = exitUnknown
		}
		host := rep.Hosts[0].Endpoint.Host
		return fail(stderr, "idle", code, present.WithHint(fmt.Errorf("no address to connect to for %s: %s", host, present.FindingText(&probed.Finding)),
			"the command check with the same target and flags shows why, and what to do"))
	}
	endpoint := rep.Hosts[0].Endpoint
	target := path.TargetFor(endpoint, probed.Path, first.Outcome.Address.Addr())
	foreign, code := idle.Foreign(&first.Finding), pathCode(first)
	progress.aside(func() { err = writeWrapped(stdout, present.IdleHeadText(rep, first, foreign)) })
	if !foreign && err == nil {
		progress.set("testing what proves on this path that a connection is alive")
		result := (&idle.Round{
			Open: pipeline.idleSession, Target: target, Steps: steps, Parallel: len(steps), Pace: idle.NewPacer(idle.OpeningInterval),
			Progress: func(p idle.Progress) { progress.setUntil(present.IdleProgressText(p.Silent, p.Done), p.Ends) },
		}).Run(ctx)
		advice := idle.Advise(&result.Bounds, idle.Measured{
			Transport: target.Transport,
			Client:    target.Client,
			NAT:       measurement.NATBetween(result.Without.Local.Addr(), target.Address.Addr()),
			Complete:  result.Complete,
		})
		survival := idle.Survival(&result.Bounds, k.keepalive)
		progress.stop()
		err = writeWrapped(stdout, "\n"+present.IdleRoundText(&result.IdleRound, &advice, k.keepalive, survival))
		code = worse(code, silenceCode(&result.IdleRound, &advice, k.keepalive, survival))
	}
	progress.stop()
	if err != nil {
		return fail(stderr, "idle", exitUnhealthy, fmt.Errorf("write the result: %w", err))
	}
	return code
}

// pathCode is the exit code for the walk without a silence.
func pathCode(w *report.Walk) int {
	switch r := w.Finding.Reason; {
	case r == reason.OK && !w.Unproven && !w.Judgement.Unjudged:
		return exitOK
	case r == reason.OK, r == reason.OutOfTime:
		return exitUnknown
	}
	return exitUnhealthy
}

// silenceCode is the exit code for what silence does. keepalive is 0 if none is to be judged.
func silenceCode(r *report.IdleRound, advice *report.IdleAdvice, keepalive time.Duration, survival report.IdleSurvival) int {
	judged := keepalive > 0
	switch {
	case judged && survival == report.DoesNotSurvive, advice.Kind == report.IdleUDPDoesNotSuffice:
		return exitUnhealthy
	case !r.Complete, r.Bounds.Reason == report.IdleReasonUnknown,
		judged && survival == report.SurvivalUnknown, advice.Kind == report.IdleUDPUnknown:
		return exitUnknown
	}
	return exitOK
}

// worse chooses between two exit codes: what is wrong counts more than what is not known.
func worse(a, b int) int {
	if a == exitUnhealthy || b == exitUnhealthy {
		return exitUnhealthy
	}
	return max(a, b)
}

// longestStep is the limit of idle.steps in the configuration.
const longestStep = 24 * time.Hour

// stepsToMeasure are ascending: those of --steps or of the configuration, and the keepalive.
func (k *idleCommand) stepsToMeasure(configured []time.Duration) ([]time.Duration, error) {
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

// onePath keeps one path of the endpoints: the first over TCP, or else the first.
func onePath(cfg *config.Config) {
	var endpoint config.Endpoint
	var chosen measurement.Path
	for _, e := range cfg.Endpoints {
		for _, p := range e.Paths {
			if chosen == (measurement.Path{}) || chosen.Transport == measurement.UDP && p.Transport == measurement.TCP {
				endpoint, chosen = e, p
			}
		}
	}
	endpoint.Paths = []measurement.Path{chosen}
	cfg.Endpoints = []config.Endpoint{endpoint}
}
