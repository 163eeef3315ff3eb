package main

import (
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/endpoint-exporter/endpoint_exporter/collector"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// exposed is what one scrape exposes.
type exposed struct {
	report *collector.Exposition
	own    prometheus.Gatherers // about the exporter itself
}

// collect returns the metrics of a report.
func (e *exporter) collect(rep *report.Report) *collector.Exposition {
	options := collector.Options{Histograms: e.histograms}
	if e.flags.addresses {
		options.MaxAddresses = e.survey.Config().Survey.MaxAddresses
	}
	return collector.New(rep, options)
}

// expose writes metrics in the format that the scraper asks for. They are made when it is their turn to be sent. Almost
// all scrapers ask for text, which is written here. The other formats are client_golang's to encode.
func (e *exporter) expose(w http.ResponseWriter, r *http.Request, metrics func() exposed) {
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultAcceptedFormats()...)
	e.send(w, r, func(w http.ResponseWriter) {
		if format.FormatType() == expfmt.TypeTextPlain {
			e.writeText(w, r, format, metrics())
			return
		}
		m := metrics()
		promhttp.HandlerFor(append(prometheus.Gatherers{m.report}, m.own...), promhttp.HandlerOpts{
			ErrorLog:      slog.NewLogLogger(e.logger.Handler(), slog.LevelError),
			ErrorHandling: promhttp.ContinueOnError, // one bad series never drops the rest
		}).ServeHTTP(w, r)
	})
}

// compressors are gzip writers at the speed that costs a scrape least: the text is repetitive enough to become a tenth
// of its size.
var compressors = sync.Pool{New: func() any {
	writer, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	return writer
}}

// ownTextSize is more than the size in bytes of the metrics about the exporter itself.
const ownTextSize = 16 << 10

// writeText writes metrics in a text format, compressed if the client accepts that and is on another machine: on the
// same one, compression costs both sides more than it saves.
func (e *exporter) writeText(w http.ResponseWriter, r *http.Request, format expfmt.Format, metrics exposed) {
	w.Header().Set("Content-Type", string(format))
	w.Header().Set("Vary", "Accept, Accept-Encoding")
	var out io.Writer = w
	if acceptsGzip(r.Header) && !fromThisMachine(r) {
		w.Header().Set("Content-Encoding", "gzip")
		compressor := compressors.Get().(*gzip.Writer)
		defer compressors.Put(compressor)
		compressor.Reset(w)
		defer compressor.Close() //nolint:errcheck // w keeps all in memory
		out = compressor
	} else if response, ok := w.(*rendered); ok {
		response.body.Grow(metrics.report.TextSize() + ownTextSize)
	}
	names := r.URL.Query()["name[]"]
	selected := func(metric string) bool { return len(names) == 0 || slices.Contains(names, metric) }
	_ = metrics.report.WriteText(out, selected) // w keeps all in memory
	families, err := metrics.own.Gather()
	if err != nil {
		e.logger.Error("some metrics of the exporter itself are missing", "err", err)
	}
	for _, family := range families {
		if !selected(family.GetName()) {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(out, family); err != nil {
			e.logger.Error("a metric of the exporter itself is not written", "metric", family.GetName(), "err", err)
		}
	}
}

// fromThisMachine reports whether a request comes over loopback.
func fromThisMachine(r *http.Request) bool {
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && client.Addr().Unmap().IsLoopback()
}

// acceptsGzip reports whether a client names gzip among the codings that it accepts (RFC 9110 §12.5.3).
func acceptsGzip(header http.Header) bool {
	for _, value := range header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(value, ",") {
			name, parameter, _ := strings.Cut(coding, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				weight, weighted := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameter)), "q=")
				q, err := strconv.ParseFloat(weight, 64)
				return !weighted || err == nil && q > 0
			}
		}
	}
	return false
}
