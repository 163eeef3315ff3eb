package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// allowList holds the flags with which check prints what a firewall must allow, instead of what it measured.
type allowList struct {
	list      bool
	addresses bool
}

func (a *allowList) addFlags(cmd *kingpin.CmdClause) {
	cmd.Flag("allow-list", "With --output=markdown: print the hosts, ports and protocols that a firewall must allow, and probe nothing.").BoolVar(&a.list)
	cmd.Flag("addresses", "With --allow-list: make a round, and add the addresses that DNS gives now. They change without notice.").BoolVar(&a.addresses)
}

// check returns an error if the flags do not fit together.
func (a *allowList) check(k *check) error {
	switch {
	case a.addresses && !a.list:
		return errors.New("--addresses has no effect without --allow-list")
	case a.list && k.output != "markdown":
		return errors.New("--allow-list needs --output=markdown")
	case a.list && (k.watch > 0 || k.save != ""):
		return errors.New("--allow-list cannot be combined with --watch or --save-certificates")
	}
	return nil
}

// write writes the list; rep has the addresses, or is nil.
func (a *allowList) write(stdout, stderr io.Writer, cfg *config.Config, rep *report.Report) int {
	if err := present.AllowList(stdout, cfg.Endpoints, cfg.Trust, rep); err != nil {
		printError(stderr, "check", fmt.Errorf("write the list: %w", err))
		return exitUnhealthy
	}
	if rep != nil && rep.Interrupted {
		return exitUnknown
	}
	return exitOK
}
