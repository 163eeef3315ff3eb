package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/history"
	"github.com/endpoint-exporter/endpoint_exporter/internal/idle"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/survey"
)

// exporter is the running program: one survey, what it exposes about itself, and the reload.
type exporter struct {
	flags      *serve
	logger     *slog.Logger
	survey     *survey.Survey
	idle       *idle.Manager
	histograms *collector.Histograms
	history    *history.History
	own        *prometheus.Registry // about the exporter itself
	reloads    *collector.Reloads
	responses  *responses

	refused atomic.Pointer[time.Time] // when the configuration file was refused; nil if it is in use

	// reloading serializes changes of the site and guards current. A reload may wait for files; no request waits for
	// it.
	reloading sync.Mutex
	current   *pipeline
}

func newExporter(flags *serve, logger *slog.Logger) (*exporter, error) {
	loaded, err := flags.load()
	if err != nil {
		return nil, err
	}
	current, err := build(loaded, flags.common, nil, logger)
	if err != nil {
		return nil, err
	}
	e := &exporter{
		flags:      flags,
		logger:     logger,
		idle:       idle.NewManager(logger),
		histograms: collector.NewHistograms(),
		history:    history.New(),
		own:        prometheus.NewRegistry(),
		reloads:    collector.NewReloads(),
		responses:  newResponses(),
		current:    current,
	}
	e.adopt(current)
	e.survey = survey.New(current.Site, survey.Options{Name: hostname(), Logger: logger, Observe: func(rep *report.Report) {
		e.histograms.Observe(rep)
		e.history.Observe(rep)
		e.idle.Observe(rep)
	}})
	e.reloads.Succeeded(time.Now())
	e.own.MustRegister(
		collectors.NewGoCollector(),
		newProcessCollector(),
		versioncollector.NewCollector("endpoint_exporter"),
		e.reloads,
	)
	logger.Info("watching", "endpoints", len(loaded.Config.Endpoints), "resolvers", current.Resolvers, "configuration", flags.source())
	return e, nil
}

// adopt tells everything that depends on the configured endpoints which they are now.
func (e *exporter) adopt(next *pipeline) {
	if e.flags.inForce != nil {
		e.flags.inForce(next.Config)
	}
	e.histograms.Keep(next.Config.Endpoints)
	e.history.Keep(next.Config.Endpoints)
	e.idle.Reload(next.Config, next.idleSession)
	next.Idle = e.idle.Bounds
}

// reload reads the configuration again; one that is not good leaves everything as it was.
func (e *exporter) reload() error {
	e.reloading.Lock()
	defer e.reloading.Unlock()
	loaded, err := e.flags.load()
	if err == nil {
		err = e.change(loaded)
	}
	if err != nil {
		e.reloads.Failed()
		now := time.Now()
		e.refused.Store(&now)
		e.logger.Error("reload failed, the old configuration stays", "err", err)
		return fmt.Errorf("reload: %w", err)
	}
	e.reloads.Succeeded(time.Now())
	e.refused.Store(nil)
	e.logger.Info("configuration reloaded", "endpoints", len(loaded.Config.Endpoints), "resolvers", e.current.Resolvers)
	return nil
}

// notice is a message for the status page in addition to the report; "" for no message.
func (e *exporter) notice() string {
	refused := e.refused.Load()
	if refused == nil {
		return ""
	}
	return fmt.Sprintf("The configuration file was refused at %s, and the one before it is in force: "+
		"endpoint_exporter --config.file=FILE --config.check says what is wrong.", refused.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// change puts a configuration in force. reloading is held.
func (e *exporter) change(loaded *config.Loaded) error {
	next, err := build(loaded, e.flags.common, e.current, e.logger)
	if err != nil {
		return err
	}
	e.adopt(next)
	e.survey.Reload(next.Site)
	e.current = next
	return nil
}

// followResolvers takes over the system's DNS servers when they have changed (a new DHCP lease) and the configuration
// names none. Devices at the site would ask the new ones too.
func (e *exporter) followResolvers() {
	if !e.reloading.TryLock() {
		return // a reload takes them over itself
	}
	defer e.reloading.Unlock()
	found, err := e.flags.resolversOf(e.current.Config)
	if err != nil || len(found) == 0 || slices.Equal(found, e.current.Resolvers) {
		return // a file that cannot be read or is empty for a moment, as while it is replaced, changes nothing
	}
	if err := e.change(e.current.loaded); err != nil {
		e.logger.Warn("the system's DNS servers changed, the old ones stay", "err", err)
		return
	}
	e.logger.Info("the system's DNS servers changed", "resolvers", e.current.Resolvers)
}

// Close ends what runs in the background.
func (e *exporter) Close() {
	e.idle.Close()
	e.survey.Close()
}

// hostname names this machine in reports.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
