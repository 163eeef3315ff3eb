package main

import (
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

// write writes the list; rep has the addresses, or is nil.
func (a *allowList) write(stdout, stderr io.Writer, cfg *config.Config, rep *report.Report) int {
	if err := present.AllowList(stdout, cfg.Endpoints, cfg.Trust, rep); err != nil {
		return fail(stderr, "check", exitUnhealthy, fmt.Errorf("write the list: %w", err))
	}
	if rep != nil && rep.Interrupted {
		return exitUnknown
	}
	return exitOK
}
