package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/cmd/internal/flags"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/kitlog"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// common holds the flags of every command.
type common struct {
	configFile  string
	configGiven bool   // --config.file is given, perhaps as ""
	installed   string // where the packages install the configuration; "" if they do not
	logLevel    string
	logFormat   string

	// For tests.
	systemResolvers func() ([]netip.AddrPort, error)                                     // nil: dns.SystemResolvers
	dial            func(ctx context.Context, network, address string) (net.Conn, error) // nil: the kernel's sockets
}

// installedConfig is where the packages install the configuration of their service; "" where there are no packages.
// Tests change it, so that they do not depend on what is installed on their machine.
var installedConfig = func() string {
	if runtime.GOOS == "windows" {
		return ""
	}
	return "/etc/endpoint_exporter/config.yml"
}()

func addCommon(app *kingpin.Application) *common {
	c := &common{installed: installedConfig}
	help := "Configuration file. With an empty value the built-in catalogue izuma-us-east-1 is watched, through the system's DNS servers"
	if c.installed != "" {
		help += "; without this flag " + c.installed + " is read if it exists"
	}
	app.Flag("config.file", help+".").PlaceHolder("FILE").IsSetByUser(&c.configGiven).StringVar(&c.configFile)
	flags.Choice(app.Flag("log.level", "Lowest level to log: debug, info, warn or error."), &c.logLevel, "debug", "info", "warn", "error").Default("info")
	flags.Choice(app.Flag("log.format", "Format of the log: logfmt or json."), &c.logFormat, "logfmt", "json").Default("logfmt")
	return c
}

// logger returns a logger that writes to w with the level and format of the flags.
func (c *common) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		panic(err) // the flag accepts only names that slog knows
	}
	return kitlog.New(w, c.logFormat, level)
}

// resolversOf returns the site's DNS servers: those of the configuration, or else those of the system, of which there
// may be none.
func (c *common) resolversOf(cfg *config.Config) ([]netip.AddrPort, error) {
	switch {
	case len(cfg.Resolvers) > 0:
		return cfg.Resolvers, nil
	case c.systemResolvers != nil:
		return c.systemResolvers()
	}
	return dns.SystemResolvers()
}

// file returns the configuration file in use, or "" for the built-in catalogue: the one of the flag, else the
// installed one if there is one. Once the installed one was used it stays in use: a reload after it is removed is an
// error, and never a fall-back.
func (c *common) file() string {
	if c.configFile == "" && !c.configGiven && c.installed != "" {
		// A file that cannot be read is in use too, so that its error is reported.
		if _, err := os.Stat(c.installed); !errors.Is(err, fs.ErrNotExist) {
			c.configFile = c.installed
		}
	}
	return c.configFile
}

// source names the configuration in use.
func (c *common) source() string { return cmp.Or(c.file(), "the built-in catalogue") }

// load loads the configuration in use.
func (c *common) load() (*config.Loaded, error) { return c.loadBy(config.Load) }

// loadForTargets loads the configuration in use for a command with targets: it may have nothing to watch.
func (c *common) loadForTargets() (*config.Loaded, error) { return c.loadBy(config.LoadForTargets) }

func (c *common) loadBy(load func(file string) (*config.Loaded, error)) (*config.Loaded, error) {
	if file := c.file(); file != "" {
		return load(file)
	}
	return config.LoadDefault()
}

// explain prints why the configuration cannot be used, and how the installed one can be left out. It returns the exit
// code.
func (c *common) explain(stderr io.Writer, err error) int {
	text := err.Error() + "\n"
	if c.configFile != "" && !c.configGiven && c.configFile == c.installed {
		text += "hint: this file is read because it exists and --config.file is not given; --config.file= uses the built-in catalogue only\n"
	}
	_ = writeWrapped(stderr, text)
	return exitUsage
}

// fail tells the user why a command did not do its work, and returns the exit code. command is "" for the program as a
// whole.
func fail(stderr io.Writer, command string, code int, err error) int {
	_ = writeWrapped(stderr, present.ErrorText(command, err))
	return code
}

// survey prepares the rounds of a command, whose log has debug messages only if they are asked for: the result has what
// the others would repeat.
func (c *common) survey(loaded *config.Loaded, stderr io.Writer) (*survey.Survey, *pipeline, error) {
	logger := c.logger(io.Discard)
	if c.logLevel == "debug" {
		logger = c.logger(stderr)
	}
	p, err := build(loaded, c, nil, logger)
	if err != nil {
		return nil, nil, err
	}
	return survey.New(p.Site, survey.Options{Name: hostname(), Logger: logger}), p, nil
}

// writeWrapped writes a text, whose lines are broken between words if w is a terminal.
func writeWrapped(w io.Writer, text string) error {
	if width, _, ok := terminalSize(w); ok && width > 0 {
		text = present.WrapLines(text, width)
	}
	_, err := io.WriteString(w, text)
	return err
}
