// Command endpoint_lab runs a simulated cloud with the faults of real sites on loopback, and prints a configuration
// with which endpoint_exporter monitors it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run parses the arguments, runs the command and returns the exit code. The lab runs until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := kingpin.New("endpoint_lab", "Runs a simulated cloud on loopback with the faults of real sites.")
	app.Version(version.Print("endpoint_lab"))
	app.HelpFlag.Short('h')
	app.UsageWriter(stdout).ErrorWriter(stderr)
	exit := -1
	app.Terminate(func(code int) { exit = code })

	var s simulation
	s.flags(app.Command("run", "Run the lab until stopped (the default).").Default())
	list := app.Command("list", "List every fault and every habit of the DNS server.")
	pages := app.Command("pages", "Print the notifications of Alertmanager, received by webhook, until stopped.")
	listen := pages.Flag("listen", "Address to receive Alertmanager's webhooks on.").Default("127.0.0.1:9095").String()
	chosen, err := app.Parse(args)
	switch {
	case exit >= 0: // --help or --version
		return exit
	case err != nil:
		err = usageError{fmt.Errorf("%w; try --help", err)}
	case chosen == list.FullCommand():
		writeList(stdout)
	case chosen == pages.FullCommand():
		err = receivePages(ctx, *listen, stdout, stderr)
	default:
		err = s.run(ctx, stdout, stderr)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "endpoint_lab: %v\n", err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

// usageError is an error of the command line.
type usageError struct{ error }
