package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
)

// The values of flags whose mistakes say which flag is meant: the library's own name the value alone.

// durationFlag makes a flag of a duration that must be longer than 0.
func durationFlag(cmd *kingpin.CmdClause, name, help string, into *time.Duration) *kingpin.FlagClause {
	flag := cmd.Flag(name, help)
	flag.SetValue(&duration{name, into})
	return flag
}

type duration struct {
	flag string
	into *time.Duration
}

func (d *duration) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf("--%s: %q is not a duration such as 90s or 30m", d.flag, evidence.Text(text))
	case parsed <= 0:
		return fmt.Errorf("--%s: %s is not longer than 0s", d.flag, parsed)
	}
	*d.into = parsed
	return nil
}

func (d *duration) String() string {
	if *d.into == 0 {
		return ""
	}
	return d.into.String()
}

// flagged is an application or a command.
type flagged interface {
	Flag(name, help string) *kingpin.FlagClause
}

// choiceFlag makes a flag of one of some words.
func choiceFlag(of flagged, name, help string, into *string, words ...string) *kingpin.FlagClause {
	flag := of.Flag(name, help)
	flag.SetValue(&choice{name, words, into})
	return flag
}

type choice struct {
	flag  string
	words []string
	into  *string
}

func (c *choice) Set(text string) error {
	if !slices.Contains(c.words, text) {
		return fmt.Errorf("--%s: %q is not one of %s", c.flag, evidence.Text(text), strings.Join(c.words, ", "))
	}
	*c.into = text
	return nil
}

func (c *choice) String() string { return *c.into }
