package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/cmd/internal/flags"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/kitlog"
)

// common holds the flags of every command.
type common struct {
	configFile string
	installed  string // the configuration of a service on this machine, if it has one; "" if nobody is to be told of it
	logLevel   string
	logFormat  string

	// For tests.
	systemResolvers func() ([]netip.AddrPort, error)                                     // nil: dns.SystemResolvers
	dial            func(ctx context.Context, network, address string) (net.Conn, error) // nil: the kernel's sockets
}

// installedConfig is where the packages put the configuration of their service.
const installedConfig = "/etc/endpoint_exporter/config.yml"

func addCommon(app *kingpin.Application) *common {
	c := &common{installed: installedConfig}
	app.Flag("config.file", "Configuration file. Without one the built-in catalogue izuma-us-east-1 is watched, by the system's resolvers.").
		PlaceHolder("FILE").StringVar(&c.configFile)
	flags.Choice(app.Flag("log.level", "Least severity to log: debug, info, warn or error."), &c.logLevel, "debug", "info", "warn", "error").Default("info")
	flags.Choice(app.Flag("log.format", "Form of the log: logfmt or json."), &c.logFormat, "logfmt", "json").Default("logfmt")
	return c
}

// logger writes to w as the flags say.
func (c *common) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		panic(err) // the flag allows only words that slog knows
	}
	return kitlog.New(w, c.logFormat, level)
}

// resolversOf are the site's DNS servers: the configuration's, or else the system's; none if the system names none.
func (c *common) resolversOf(cfg *config.Config) ([]netip.AddrPort, error) {
	switch {
	case len(cfg.Resolvers) > 0:
		return cfg.Resolvers, nil
	case c.systemResolvers != nil:
		return c.systemResolvers()
	}
	return dns.SystemResolvers()
}

// source names where the configuration comes from.
func (c *common) source() string {
	if c.configFile == "" {
		return "no --config.file: the built-in catalogue"
	}
	return c.configFile
}

// remind tells who runs a command beside a service that the service's configuration is not the one in use: the command may speak
// of other hosts, as other DNS servers find them.
func (c *common) remind(stderr io.Writer) {
	if c.configFile != "" || c.installed == "" {
		return
	}
	if _, err := os.Stat(c.installed); err == nil {
		fmt.Fprintf(stderr, "endpoint_exporter: the built-in catalogue is used, %[1]s is not: name it by --config.file=%[1]s\n", c.installed)
	}
}

// load reads the configuration file, or gives the defaults where none is named.
func (c *common) load() (*config.Loaded, error) {
	if c.configFile == "" {
		return config.LoadDefault()
	}
	return config.Load(c.configFile)
}
