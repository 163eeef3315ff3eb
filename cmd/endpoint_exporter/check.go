package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/term"

	"github.com/endpoint-exporter/endpoint_exporter/internal/catalogue"
	"github.com/endpoint-exporter/endpoint_exporter/internal/freshness"
	"github.com/endpoint-exporter/endpoint_exporter/internal/status"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// watchInterval is the time between two rounds of a watching check: as a usual scrape interval.
const watchInterval = 15 * time.Second

// check holds the flags of the one-shot command.
type check struct {
	*common
	hosts  []string
	output string
	watch  time.Duration
}

func addCheck(app *kingpin.Application, c *common, commands map[string]command) {
	k := &check{common: c}
	cmd := app.Command("check", "Walk every path once and say what is wrong and what to do. Exit code 0: all well; 1: something is wrong; 2: usage.")
	cmd.Arg("host", "Hosts of the configuration to check; default: all.").StringsVar(&k.hosts)
	cmd.Flag("output", "Form of the result: text, json, or markdown to send to the network's owner.").
		Short('o').Default("text").EnumVar(&k.output, "text", "json", "markdown")
	cmd.Flag("watch", "Keep checking for so long, or until every DNS server has a verdict: staleness takes time to prove.").
		PlaceHolder("20m").DurationVar(&k.watch)
	commands[cmd.FullCommand()] = k.run
}

func (k *check) run(ctx context.Context, stdout, stderr io.Writer) int {
	config, err := k.load()
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitWrong
	}
	if err := only(config, k.hosts); err != nil {
		fmt.Fprintf(stderr, "endpoint_exporter: check: %v\n", err)
		return exitUsage
	}
	// The table says what changed; the log would say it twice.
	logger := k.logger(io.Discard)
	if k.logLevel == "debug" {
		logger = k.logger(stderr)
	}
	made, err := build(config, nil, logger)
	if err != nil {
		fmt.Fprintf(stderr, "endpoint_exporter: check: %v\n", err)
		return exitWrong
	}
	s := survey.New(made.site, survey.Options{Name: hostname(), Logger: logger})
	defer s.Close()
	return k.report(k.survey(ctx, s, stderr), stdout, stderr)
}

// only keeps the named hosts of a configuration.
func only(config *catalogue.Config, hosts []string) error {
	if len(hosts) == 0 {
		return nil
	}
	var known []string
	for i := range config.Endpoints {
		known = append(known, config.Endpoints[i].Host)
	}
	for i, host := range hosts {
		hosts[i] = strings.ToLower(strings.TrimSuffix(host, "."))
		if !slices.Contains(known, hosts[i]) {
			return fmt.Errorf("%q is not in the configuration; known are %s", host, strings.Join(slices.Compact(known), ", "))
		}
	}
	config.Endpoints = slices.DeleteFunc(config.Endpoints, func(e catalogue.Endpoint) bool { return !slices.Contains(hosts, e.Host) })
	return nil
}

// survey makes one round or, when watching, rounds until every verdict stands.
func (k *check) survey(ctx context.Context, s *survey.Survey, stderr io.Writer) *survey.Report {
	progress := startProgress(stderr)
	defer progress.stop()
	progress.say("walking the paths")
	end := time.Now().Add(k.watch)
	for {
		report := s.Run(ctx)
		ready, open := openVerdicts(report)
		if open == 0 || ctx.Err() != nil || !time.Now().Add(watchInterval).Before(end) {
			return report
		}
		said := fmt.Sprintf("%d DNS verdicts still open, watching for at most %s more", open, time.Until(end).Round(time.Second))
		if !ready.IsZero() {
			said += fmt.Sprintf(", learning ends in %s", time.Until(ready).Round(time.Second))
		}
		progress.say(said)
		select {
		case <-ctx.Done():
			return report
		case <-time.After(watchInterval):
		}
	}
}

// openVerdicts counts the resolvers that may yet get a verdict, and says when the last of them can.
func openVerdicts(report *survey.Report) (ready time.Time, open int) {
	for i := range report.Hosts {
		for _, r := range report.Hosts[i].Resolvers {
			learning := r.Freshness.Verdict == freshness.Unknown && !r.Freshness.Ready.IsZero()
			if learning || r.Freshness.Verdict == freshness.Suspect {
				open++
			}
			if learning && r.Freshness.Ready.After(ready) {
				ready = r.Freshness.Ready
			}
		}
	}
	return ready, open
}

// report writes the result and chooses the exit code.
func (k *check) report(report *survey.Report, stdout, stderr io.Writer) int {
	view := status.NewView(report)
	var err error
	switch k.output {
	case "json":
		err = status.JSON(stdout, report)
	case "markdown":
		err = status.Markdown(stdout, view)
	default:
		err = status.Text(stdout, view, palette(stdout))
	}
	if err != nil {
		fmt.Fprintf(stderr, "endpoint_exporter: check: write the result: %v\n", err)
		return exitWrong
	}
	if !view.Healthy {
		return exitWrong
	}
	return exitOK
}

// palette colours a terminal's output unless the user asks for none (https://no-color.org).
func palette(w io.Writer) status.Palette {
	if os.Getenv("NO_COLOR") == "" && isTerminal(w) {
		return status.ANSI
	}
	return status.Palette{}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
