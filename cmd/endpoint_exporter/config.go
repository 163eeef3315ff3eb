package main

import (
	"context"
	"io"

	"github.com/alecthomas/kingpin/v2"
)

// showConfig holds the flags of the config command.
type showConfig struct{ *common }

func addConfig(app *kingpin.Application, c *common, commands map[string]command) {
	s := &showConfig{c}
	cmd := app.Command("config", "Print the effective configuration: catalogues expanded, defaults filled in.")
	commands[cmd.FullCommand()] = s.run
}

func (s *showConfig) run(_ context.Context, stdout, stderr io.Writer) int {
	loaded, err := s.load()
	if err != nil {
		return s.explain(stderr, err)
	}
	if err := loaded.Config.Write(stdout); err != nil {
		return fail(stderr, "config", exitUnhealthy, err)
	}
	return exitOK
}
