//go:debug x509negativeserial=1

// Command endpoint_exporter walks the path that a site's devices walk to their cloud and says, as Prometheus metrics, a
// status page and a one-shot check, what is wrong with it.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"

	"github.com/endpoint-exporter/endpoint_exporter/cmd/internal/flags"

	_ "golang.org/x/crypto/x509roots/fallback" // web authorities where the system brings none, as in an empty image
)

// Exit codes of every command.
const (
	exitOK        = 0
	exitUnhealthy = 1 // something is wrong with a path or the server
	exitUsage     = 2 // the arguments or the configuration cannot be used: nothing was looked at
	exitUnknown   = 3 // check and idle: nothing is known to be wrong, and not everything is known, or proved, to be well
)

func main() {
	version.Version = cmp.Or(version.Version, moduleVersion())
	kingpin.ManPageTemplate = manualPage(kingpin.ManPageTemplate)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// manualPage changes the template of --help-man, whose heading would have the several lines of --version.
func manualPage(template string) string {
	return strings.Replace(template, `{{.App.Version}} "{{.App.Author}}"`, `"" "endpoint_exporter `+version.Version+`"`, 1)
}

// moduleVersion is the version that go install records; in a release the linker sets the version.
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

// examples end the help of every command; scripts/manpage copies them.
const examples = `Examples:
  endpoint_exporter                                 serve on port 15684
  endpoint_exporter check                           every configured path
  endpoint_exporter check coap.example.com:5684/udp any other host, over UDP
  endpoint_exporter check --watch=30m               faults that come and go
  endpoint_exporter check --output=markdown         evidence for others
  endpoint_exporter idle bootstrap --keepalive=90s  does a keepalive survive?

Documentation: https://github.com/endpoint-exporter/endpoint_exporter/tree/main/docs
`

// command is one command of the program, chosen by the arguments.
type command func(ctx context.Context, stdout, stderr io.Writer) int

// newApplication returns the parser of the arguments, the flags that all commands share, and the commands by name. The
// parser calls terminate instead of ending the process.
func newApplication(stdout, stderr io.Writer, terminate func(code int)) (*kingpin.Application, *common, map[string]command) {
	app := kingpin.New("endpoint_exporter", "Walks the path that devices walk to their cloud, and exposes what is wrong with it to Prometheus.")
	app.Version(version.Print("endpoint_exporter"))
	app.HelpFlag.Short('h')
	app.UsageWriter(stdout).ErrorWriter(stderr).UsageTemplate(kingpin.DefaultUsageTemplate + examples)
	app.Terminate(terminate)

	shared := addCommon(app)
	commands := make(map[string]command)
	for _, add := range []func(*kingpin.Application, *common, map[string]command){addServe, addCheck, addIdle, addConfig} {
		add(app, shared, commands)
	}
	return app, shared, commands
}

// run parses the arguments and runs the command they choose; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	exit := -1
	app, _, commands := newApplication(stdout, stderr, func(code int) { exit = code })
	args = completionArguments(args)
	chosen, err := app.Parse(args)
	switch {
	case exit >= 0: // --help or --version has been printed
		return exit
	case err != nil:
		err = cmp.Or(flags.Missing(app, args, map[string]string{"watch": "30m", "keepalive": "90s"}), err)
		return fail(stderr, "", exitUsage, fmt.Errorf("%w; try --help", err))
	}
	return commands[chosen](ctx, stdout, stderr)
}
