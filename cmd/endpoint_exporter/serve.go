package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// drainTime is how long scrapes under way may take to end after SIGTERM: less than the 10 s that container runtimes
// give before they kill, with time to spare for the rest.
const (
	drainTime  = 5 * time.Second
	answerTime = 2 * time.Second // of it, to answer in
)

// serve holds the flags of the default command.
type serve struct {
	*common
	web             *web.FlagConfig
	checkOnly       bool
	telemetryPath   string
	externalURL     string
	routePrefix     string
	prefixGiven     bool // --web.route-prefix is given, perhaps as "/"
	enableLifecycle bool
	addresses       bool

	inForce func(*config.Config) // called with each configuration that comes into force; may be nil
}

func addServe(app *kingpin.Application, c *common, commands map[string]command) {
	s := &serve{common: c}
	cmd := app.Command("serve", "Serve metrics and the status page; a round is made when Prometheus scrapes.").Default()
	cmd.Flag("config.check", "Check the configuration, say what is wrong with it, and exit.").BoolVar(&s.checkOnly)
	s.web = kingpinflag.AddFlags(cmd, ":15684")
	cmd.Flag("web.telemetry-path", "Path under which to expose metrics.").Default("/metrics").StringVar(&s.telemetryPath)
	cmd.Flag("web.external-url", "URL under which the exporter is reached from outside, for example through a reverse proxy. Its path is the default of --web.route-prefix.").
		PlaceHolder("URL").StringVar(&s.externalURL)
	cmd.Flag("web.route-prefix", "Prefix of the paths of all pages; default: the path of --web.external-url.").PlaceHolder("PATH").
		IsSetByUser(&s.prefixGiven).StringVar(&s.routePrefix)
	cmd.Flag("web.enable-lifecycle", "Allow a reload by POST to /-/reload.").BoolVar(&s.enableLifecycle)
	cmd.Flag("collector.addresses", "Expose each address of a host as endpoint_dns_address_info.").Default("true").BoolVar(&s.addresses)
	commands[cmd.FullCommand()] = s.run
}

// run serves until the context ends, then lets the scrapes under way finish.
func (s *serve) run(ctx context.Context, stdout, stderr io.Writer) int {
	logger := s.logger(stderr)
	if err := web.Validate(*s.web.WebConfigFile); err != nil { // which serving would tell, but not of which file it speaks
		return fail(stderr, "--web.config.file", exitUsage, err)
	}
	if s.checkOnly {
		loaded, err := s.load()
		if err != nil {
			return s.explain(stderr, err)
		}
		fmt.Fprintf(stdout, "%s is good: endpoints: %d, paths: %d\n", s.source(), len(loaded.Config.Endpoints), countPaths(loaded.Config))
		return exitOK
	}
	if err := s.checkPaths(); err != nil {
		return fail(stderr, "", exitUsage, err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before anything that takes a while: unhandled, it would end the program
	defer signal.Stop(hangup)
	processors := 1
	if *s.web.WebConfigFile != "" {
		processors = 2 // a check of a password takes 60 ms, which must not delay walks
	}
	s.inForce = func(c *config.Config) { adaptProcessors(c, processors) }
	exporter, err := newExporter(s, logger)
	if err != nil {
		return s.explain(stderr, err)
	}
	defer exporter.Close()

	idle := newIdleReleaser()
	defer idle.timer.Stop()
	server := &http.Server{
		Handler:  idle.wrap(exporter.handler()),
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	(&connections{released: idle.schedule, files: survey.DescriptorLimit()}).install(server)
	if *s.web.WebConfigFile != "" {
		bounded := newPasswords()
		server.Handler = bounded.after(server.Handler)
		// The toolkit puts its own handler in front before it calls Serve, which calls BaseContext first.
		server.BaseContext = func(net.Listener) context.Context {
			server.Handler = bounded.before(server.Handler)
			return context.WithoutCancel(ctx)
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- web.ListenAndServe(server, s.web, logger) }()
	for {
		select {
		case err := <-failed:
			return fail(stderr, "serve", exitUnhealthy, err)
		case <-hangup:
			_ = exporter.reload() // logged where it happened
		case <-ctx.Done():
			logger.Info("shutting down, scrapes under way may finish", "within", drainTime)
			exporter.idle.Close() // no request waits for it
			drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			// A round that would take longer ends here, and its scrape is answered with what there is.
			cut := time.AfterFunc(drainTime-answerTime, exporter.survey.Close)
			defer cut.Stop()
			err := server.Shutdown(drain)
			if serveErr := <-failed; err == nil && !errors.Is(serveErr, http.ErrServerClosed) {
				err = serveErr
			}
			if err != nil {
				logger.Error("shutdown was not clean", "err", err)
				return exitUnhealthy
			}
			return exitOK
		}
	}
}
