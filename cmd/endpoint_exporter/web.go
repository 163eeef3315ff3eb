package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	gopath "path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/version"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// timeoutHeader is the header in which Prometheus sends its scrape timeout in seconds.
const timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"

// Paths of the HTTP server, in addition to --web.telemetry-path.
const (
	statusPath    = "/"
	probePath     = "/probe"
	discoveryPath = "/sd"
	reportPath    = "/api/v1/report"
	reloadPath    = "/-/reload"
	healthyPath   = "/-/healthy"
	readyPath     = "/-/ready"
)

// checkPaths returns an error for a path of the metrics that is invalid or used by another page, and for an invalid
// external URL or prefix of routes. It sets the prefix, which is "" or begins and does not end with a slash.
func (s *serve) checkPaths() error {
	taken := []string{statusPath, probePath, discoveryPath, reportPath, reloadPath, healthyPath, readyPath}
	if slices.Contains(taken, s.telemetryPath) {
		return fmt.Errorf("--web.telemetry-path: %s is served already", s.telemetryPath)
	}
	if !isPath(s.telemetryPath) {
		return fmt.Errorf("--web.telemetry-path: %q is not a path like /metrics", s.telemetryPath)
	}
	prefix := s.routePrefix
	if s.externalURL != "" {
		u, err := url.Parse(s.externalURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errors.New("--web.external-url: want a URL like https://example.com/endpoint, without a user, a query and a fragment")
		}
		if !s.prefixGiven {
			prefix = u.Path
		}
	}
	prefix = strings.Trim(prefix, "/")
	if prefix != "" {
		prefix = "/" + prefix
		if !isPath(prefix) {
			return fmt.Errorf("--web.route-prefix: %q is not a path like /endpoint", prefix)
		}
	}
	s.routePrefix = prefix
	return nil
}

// isPath reports whether a text is a path that [http.ServeMux] matches as it is.
func isPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/") && !strings.ContainsAny(path, "{}?#% \t") && gopath.Clean(path) == path
}

// handler returns the handler of all pages.
func (e *exporter) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+e.flags.telemetryPath, e.serveMetrics)
	mux.HandleFunc("GET "+statusPath+"{$}", e.serveStatus)
	mux.HandleFunc("GET "+probePath, e.serveProbe)
	mux.HandleFunc("GET "+discoveryPath, e.serveDiscovery)
	mux.HandleFunc("GET "+reportPath, e.serveReport)
	mux.Handle("POST "+reloadPath, e.sameOrigin(http.HandlerFunc(e.serveReload)))
	mux.HandleFunc("GET "+healthyPath, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "healthy") })
	mux.HandleFunc("GET "+readyPath, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	prefix := e.flags.routePrefix
	if prefix == "" {
		return e.guard(mux)
	}
	outer := http.NewServeMux() // it also redirects the prefix without a slash to the status page, whose links are relative
	outer.Handle(prefix+"/", http.StripPrefix(prefix, mux))
	outer.Handle("GET /{$}", http.RedirectHandler(prefix+"/", http.StatusFound))
	return e.guard(outer)
}

// sameOrigin refuses requests that pages of another origin than the exporter's send by a browser. Behind a reverse
// proxy the exporter's origin is that of its external URL.
func (e *exporter) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	if u, err := url.Parse(e.flags.externalURL); err == nil && u.Host != "" {
		if err := protection.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			e.logger.Error("external URL not used", "err", err)
		}
	}
	return protection.Handler(next)
}

const (
	// readTime is how long a client may take to receive a response after the longest round.
	readTime = 30 * time.Second
	// bodyTime is how long a client may take for the rest of a body that is refused.
	bodyTime = time.Second
)

// guard refuses requests with a body, which no page uses, and sets the deadlines of the others: net/http would wait
// for the body before it sends the response.
func (e *exporter) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer beginRequest(r.Context())()
		connection := http.NewResponseController(w) // an error means that this is a test without a connection
		if r.ContentLength != 0 {
			_ = connection.SetReadDeadline(time.Now().Add(bodyTime))
			if r.ProtoMajor == 1 { // HTTP/2 ends the stream only
				w.Header().Set("Connection", "close")
			}
			http.Error(w, "a request must not have a body", http.StatusBadRequest)
			return
		}
		deadline := time.Now().Add(e.survey.Config().Survey.Timeout + readTime)
		_, _ = connection.SetReadDeadline(deadline), connection.SetWriteDeadline(deadline)
		next.ServeHTTP(w, r)
	})
}

// send sends a response that can be large.
func (e *exporter) send(w http.ResponseWriter, r *http.Request, render func(http.ResponseWriter)) {
	if err := e.responses.send(w, r, render); err != nil {
		e.logger.Debug("response not sent", "path", r.URL.Path, "err", err)
	}
}

// Values of the parameter collect[] of the metrics' path, which selects a part of the metrics.
const (
	collectEndpoints = "endpoints" // a round
	collectExporter  = "exporter"  // about the exporter itself, without a round
)

// serveMetrics exposes the rounds of all hosts and the metrics of the exporter itself, or the part that collect[]
// selects.
func (e *exporter) serveMetrics(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()["collect[]"]
	for _, what := range asked {
		if what != collectEndpoints && what != collectExporter {
			http.Error(w, fmt.Sprintf("parameter collect[]: %q is neither %s nor %s", measurement.Text(what), collectEndpoints, collectExporter), http.StatusBadRequest)
			return
		}
	}
	ctx, cancel, ok := scrapeContext(w, r)
	if !ok {
		return
	}
	defer cancel()
	makeReport := e.survey.Status
	if len(asked) == 0 || slices.Contains(asked, collectEndpoints) {
		e.followResolvers()
		makeReport = e.survey.Wait(ctx)
	}
	var own prometheus.Gatherers
	if len(asked) == 0 || slices.Contains(asked, collectExporter) {
		own = prometheus.Gatherers{e.own}
	}
	e.expose(w, r, func() exposed { return exposed{e.collect(makeReport()), own} })
}

// scrapeContext bounds a request by the scrape timeout minus the time for the response: a tenth, at most 0.5 s. It
// refuses a request whose timeout is invalid.
func scrapeContext(w http.ResponseWriter, r *http.Request) (ctx context.Context, cancel context.CancelFunc, ok bool) {
	header := r.Header.Get(timeoutHeader)
	if header == "" {
		ctx, cancel = context.WithCancel(r.Context())
		return ctx, cancel, true
	}
	seconds, err := strconv.ParseFloat(header, 64)
	if err != nil || !(seconds > 0) || math.IsInf(seconds, 0) {
		http.Error(w, fmt.Sprintf("header %s: %q is not a positive number of seconds", timeoutHeader, header), http.StatusBadRequest)
		return nil, nil, false
	}
	seconds -= min(0.5, seconds/10)
	// A round ends at survey.timeout anyway; an hour keeps an absurd header from overflowing.
	limit := time.Duration(min(seconds, 3600) * float64(time.Second))
	ctx, cancel = context.WithTimeout(r.Context(), limit)
	return ctx, cancel, true
}

const (
	// refreshRunning is after how long the browser asks for the status page again while rounds run.
	refreshRunning = 3 * time.Second
	// refreshSearch is the same, at least, for a page with a search field: a person types into it meanwhile.
	refreshSearch = 15 * time.Second
)

// serveStatus sends the status page: the last report and the histories, at once. It begins the rounds that a scrape
// would begin, which the page shows when the browser asks again.
func (e *exporter) serveStatus(w http.ResponseWriter, r *http.Request) {
	e.followResolvers()
	progress, makeReport := e.survey.Latest()
	query := r.URL.Query()
	options := present.PageOptions{
		MetricsPath: strings.TrimPrefix(e.flags.telemetryPath, "/"), Notice: e.notice(), Now: time.Now(), History: e.history.Of,
		Hosts: progress.Hosts, Measured: progress.Measured, Measuring: progress.Running > 0,
		Filter: query.Get("host"), Refresh: max(refreshRunning, e.survey.Config().Survey.MinInterval),
	}
	if progress.Running > 0 {
		options.Refresh = refreshRunning
	}
	if progress.Measured == progress.Hosts && (progress.Hosts >= present.SearchableHosts || options.Filter != "") {
		options.Refresh = max(options.Refresh, refreshSearch)
	}
	if query.Get("refresh") == "off" {
		options.Refresh = 0
	} else {
		w.Header().Set("Refresh", strconv.Itoa(int(math.Ceil(options.Refresh.Seconds()))))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", present.ContentSecurityPolicyHeader)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	e.send(w, r, func(w http.ResponseWriter) {
		if err := present.Page(w, present.NewView(makeReport(), version.Version), options); err != nil {
			e.logger.Error("status page not made", "err", err)
		}
	})
}

// serveReport sends the report as JSON.
func (e *exporter) serveReport(w http.ResponseWriter, r *http.Request) {
	ctx, cancel, ok := scrapeContext(w, r)
	if !ok {
		return
	}
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	e.followResolvers()
	makeReport := e.survey.Wait(ctx)
	e.send(w, r, func(w http.ResponseWriter) {
		if err := present.JSON(w, present.NewView(makeReport(), version.Version)); err != nil {
			e.logger.Error("report not made", "err", err)
		}
	})
}

// serveProbe surveys one host. A host that is neither configured nor allowed by probe.allow, and a port that
// probe.ports does not list, are refused. A host that is allowed by name is not connected to at addresses that
// probe.allow does not permit.
func (e *exporter) serveProbe(w http.ResponseWriter, r *http.Request) {
	host, asked, refusal := parseProbe(r.URL.Query(), e.survey.Config())
	if refusal != nil {
		http.Error(w, refusal.text, refusal.code)
		return
	}
	ctx, cancel, ok := scrapeContext(w, r)
	if !ok {
		return
	}
	defer cancel()
	e.followResolvers()
	rep, err := e.survey.RunHost(ctx, host, asked)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if addr, ok := onlyForbidden(rep); ok && len(e.survey.Config().EndpointsOf(host)) == 0 {
		http.Error(w, fmt.Sprintf("host %s leads to %s, which probe.allow does not allow; to allow it, add it in the configuration: probe: {allow: [%s, %s]}",
			host, addr, host, addr), http.StatusForbidden)
		return
	}
	e.expose(w, r, func() exposed { return exposed{report: e.collect(rep)} })
}

// refusal is the response to a request to /probe that is refused.
type refusal struct {
	code int
	text string
}

// parseProbe parses the parameters of a request to /probe, and decides whether the configuration permits it.
func parseProbe(query url.Values, cfg *config.Config) (host string, asked config.ProbeRequest, refused *refusal) {
	refuse := func(code int, format string, values ...any) (string, config.ProbeRequest, *refusal) {
		return "", config.ProbeRequest{}, &refusal{code, fmt.Sprintf(format, values...)}
	}
	if !query.Has("target") {
		return refuse(http.StatusBadRequest, "parameter target is missing: %s?target=HOST", probePath)
	}
	target := query.Get("target")
	switch t, err := config.ParseTarget(target); {
	case err != nil && strings.Contains(target, ":") && !strings.Contains(target, "/"): // no port, or no IPv6 address
		return refuse(http.StatusBadRequest, "parameter target: %v", err)
	case err == nil && t.Port != 0 && len(cfg.EndpointsOf(t.Name)) > 0:
		return refuse(http.StatusBadRequest, "parameter target: %s has a port; the configuration names the paths of its endpoints: write %s?target=%s",
			measurement.Text(target), probePath, measurement.Text(t.Name))
	case err == nil && t.Port != 0:
		return refuse(http.StatusBadRequest, "parameter target: %s has a port; write it as a parameter: %s?target=%s&port=%d",
			measurement.Text(target), probePath, measurement.Text(t.Name), t.Port)
	}
	host, err := config.ParseHost(target)
	if err != nil {
		return refuse(http.StatusBadRequest, "parameter target: %v", err)
	}
	transport, port, client := query.Get("transport"), query.Get("port"), query.Get("client")
	if asked, err = config.ParseProbeRequest(transport, port, client); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if len(cfg.EndpointsOf(host)) > 0 {
		if transport+port+client != "" {
			return refuse(http.StatusBadRequest, "host %s is an endpoint of the configuration, which names its paths; leave out transport, port and client", host)
		}
		return host, asked, nil
	}
	if !cfg.Probe.AllowsHost(host) {
		return refuse(http.StatusForbidden, "host %s is neither an endpoint of the configuration nor allowed by probe.allow; "+
			"to allow it, add it in the configuration: probe: {allow: [%s]}", host, host)
	}
	for _, p := range asked.Paths {
		if !cfg.Probe.AllowsPort(p.Port) {
			ports, _ := json.Marshal(append(slices.Clone(cfg.Probe.Ports), p.Port)) // a list of numbers has no error
			return refuse(http.StatusForbidden, "port %d is not listed by probe.ports; to allow it, write in the configuration: probe: {ports: %s}",
				p.Port, ports)
		}
	}
	return host, asked, nil
}

// onlyForbidden returns the first address of a host that has only addresses which probe.allow forbids; ok is false for
// any other host.
func onlyForbidden(rep *report.Report) (first netip.Addr, ok bool) {
	for i := range rep.Hosts {
		for j := range rep.Hosts[i].Paths {
			for _, walk := range rep.Hosts[i].Paths[j].Walks {
				if walk.Finding.Reason != reason.Sinkhole {
					return netip.Addr{}, false
				}
				if !first.IsValid() {
					first = walk.Outcome.Address.Addr()
				}
			}
		}
	}
	return first, first.IsValid()
}

// targetGroup is one entry of Prometheus' HTTP service discovery.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// serveDiscovery lists the configured hosts, each once, as targets for /probe.
func (e *exporter) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	groups := []targetGroup{}
	at := make(map[string]int)
	for _, endpoint := range e.survey.Config().Endpoints {
		i, seen := at[endpoint.Host]
		if !seen {
			at[endpoint.Host] = len(groups)
			groups = append(groups, targetGroup{[]string{endpoint.Host}, map[string]string{"__meta_endpoint_services": endpoint.Service}})
			continue
		}
		groups[i].Labels["__meta_endpoint_services"] += "," + endpoint.Service
	}
	w.Header().Set("Content-Type", "application/json")
	e.send(w, r, func(w http.ResponseWriter) {
		if err := json.NewEncoder(w).Encode(groups); err != nil {
			e.logger.Error("targets not made", "err", err)
		}
	})
}

// serveReload reads the configuration again, where that is enabled.
func (e *exporter) serveReload(w http.ResponseWriter, _ *http.Request) {
	if !e.flags.enableLifecycle {
		http.Error(w, "reload by HTTP is off; start with --web.enable-lifecycle, or send SIGHUP", http.StatusForbidden)
		return
	}
	if err := e.reload(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "reloaded")
}
