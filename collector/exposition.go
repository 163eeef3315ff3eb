package collector

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	dto "github.com/prometheus/client_model/go"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Exposition is the series of one report. It is immutable and safe for concurrent use. It implements
// [prometheus.Gatherer] for client_golang's encoders. [Exposition.WriteText] writes the same series in the text format
// at a small part of their cost: the labels of a path are neither copied for each series nor sorted nor checked again.
type Exposition struct {
	samples     []sample // in the order in which they were found
	first       [metricCount]int32
	last        [metricCount]int32 // both are 1 + the index in samples; 0 for a metric without samples
	extraLabels []string           // values of the labels that samples have in addition to their subject's
	histograms  []*histogram
}

// subject is what series are about: the round, a target, a path or a resolver. It holds the values of the labels that
// all its series share.
type subject struct{ values []string }

// with returns a subject with further labels.
func (s *subject) with(more ...string) *subject { return &subject{slices.Concat(s.values, more)} }

// sample is one series. Its labels are those of the metric in the table: first those of its subject, then those in
// Exposition.extraLabels.
type sample struct {
	value float64
	of    *subject
	index int32 // of its first value in Exposition.extraLabels; of a histogram, in Exposition.histograms
	next  int32 // 1 + the index of the metric's next sample; 0: it is the last
}

// newExposition returns an empty exposition with room for the series of a report.
func newExposition(rep *report.Report) *Exposition {
	paths, resolvers := 0, 0
	for i := range rep.Hosts {
		paths += len(rep.Hosts[i].Paths)
		resolvers += len(rep.Hosts[i].Resolvers)
	}
	const perReport, perHost, perPath, perResolver = 64, 6, 26, 28 // of a host without faults
	n := perReport + perHost*len(rep.Hosts) + perPath*paths + perResolver*resolvers
	return &Exposition{samples: make([]sample, 0, n), extraLabels: make([]string, 0, n), histograms: make([]*histogram, 0, paths)}
}

// add adds a series at the end of its metric.
func (e *Exposition) add(n name, value float64, of *subject, more []string) {
	e.link(n, sample{value: value, of: of, index: int32(len(e.extraLabels))})
	e.extraLabels = append(e.extraLabels, more...)
}

// addHistogram adds a histogram, which has only its subject's labels.
func (e *Exposition) addHistogram(n name, h *histogram, of *subject) {
	e.link(n, sample{of: of, index: int32(len(e.histograms))})
	e.histograms = append(e.histograms, h)
}

func (e *Exposition) link(n name, s sample) {
	e.samples = append(e.samples, s)
	at := int32(len(e.samples))
	if e.first[n] == 0 {
		e.first[n] = at
	} else {
		e.samples[e.last[n]-1].next = at
	}
	e.last[n] = at
}

// of iterates over the samples of a metric.
func (e *Exposition) of(n name) iter.Seq[*sample] {
	return func(yield func(*sample) bool) {
		for at := e.first[n]; at > 0; at = e.samples[at-1].next {
			if !yield(&e.samples[at-1]) {
				return
			}
		}
	}
}

// label is the value of a label by its index in the table.
func (e *Exposition) label(s *sample, index int) string {
	if own := len(s.of.values); index >= own {
		return e.extraLabels[int(s.index)+index-own]
	}
	return s.of.values[index]
}

// layout is what is the same in all series of a metric.
type layout struct {
	header string  // the comments with help text and type
	labels []label // in the order of their names, as client_golang writes them
}

// label is the place of one label in a series.
type label struct {
	index  int    // of its value in the table
	name   string // and, for the text format,
	prefix string // what precedes the value
}

// layouts belong to the entries of the table.
var layouts = func() (out [metricCount]layout) {
	for i, m := range table {
		help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(m.Help)
		out[i].header = fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n", m.Name, help, m.Name, m.Type)
		for _, name := range slices.Sorted(slices.Values(m.Labels)) {
			out[i].labels = append(out[i].labels, label{index: slices.Index(m.Labels, name), name: name})
		}
		separator := "{"
		for j := range out[i].labels {
			l := &out[i].labels[j]
			l.prefix = separator + l.name + `="`
			separator = `",`
		}
	}
	return out
}()

// ordered are the indices of the table in the order of the metrics' names.
var ordered = func() (out []name) {
	for n := range metricCount {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b name) int { return cmp.Compare(table[a].Name, table[b].Name) })
	return out
}()

// textChunk is the size in bytes from which text is passed on to the writer.
const textChunk = 32 << 10

// textChunks are buffers for text.
var textChunks = sync.Pool{New: func() any { return new([]byte) }}

// WriteText writes the metrics that selected accepts by their names in the Prometheus text format 0.0.4, exactly as
// expfmt does. The error is that of w.
func (e *Exposition) WriteText(w io.Writer, selected func(metric string) bool) error {
	chunk := textChunks.Get().(*[]byte)
	buf := (*chunk)[:0]
	defer func() {
		*chunk = buf
		textChunks.Put(chunk)
	}()
	for _, n := range ordered {
		if e.first[n] == 0 || !selected(table[n].Name) {
			continue
		}
		buf = append(buf, layouts[n].header...)
		for s := range e.of(n) {
			if buf = e.appendSample(buf, n, s); len(buf) >= textChunk {
				if _, err := w.Write(buf); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
	}
	_, err := w.Write(buf)
	return err
}

// TextSize estimates the size of the text in bytes, so that a buffer for it need not grow: with the names of the
// built-in catalogue a line has 126 bytes, with longer ones it has more.
func (e *Exposition) TextSize() int {
	const perLine, linesOfHistogram = 160, len(handshakeBuckets) + 3
	return perLine * (len(e.samples) + linesOfHistogram*len(e.histograms))
}

// appendSample appends the lines of one series.
func (e *Exposition) appendSample(buf []byte, n name, s *sample) []byte {
	if table[n].Type == Histogram {
		return e.appendHistogram(buf, n, s)
	}
	return appendValue(e.appendSeries(buf, n, "", s), s.value)
}

// appendSeries appends a series' name, with a suffix, and its labels.
func (e *Exposition) appendSeries(buf []byte, n name, suffix string, s *sample) []byte {
	buf = append(append(buf, table[n].Name...), suffix...)
	labels := layouts[n].labels
	if len(labels) == 0 {
		return buf
	}
	for i := range labels {
		buf = append(buf, labels[i].prefix...)
		buf = appendEscaped(buf, e.label(s, labels[i].index))
	}
	return append(buf, `"}`...)
}

// appendHistogram appends the lines of a histogram: its classic buckets, since the text format has no others.
func (e *Exposition) appendHistogram(buf []byte, n name, s *sample) []byte {
	classic := e.histograms[s.index].snapshot()
	var count uint64
	for i, within := range classic.counts {
		count += within
		bound := math.Inf(1)
		if i < len(handshakeBuckets) {
			bound = handshakeBuckets[i]
		}
		buf = e.appendSeries(buf, n, "_bucket", s)
		buf = appendFloat(append(buf[:len(buf)-1], `,le="`...), bound)
		buf = appendValue(append(buf, `"}`...), float64(count))
	}
	buf = appendValue(e.appendSeries(buf, n, "_sum", s), classic.sum)
	return appendValue(e.appendSeries(buf, n, "_count", s), float64(count))
}

// appendEscaped appends a label's value as the text format has it between quotes.
func appendEscaped(buf []byte, value string) []byte {
	from := 0
	for i := range len(value) {
		switch c := value[i]; c {
		case '\\', '"':
			buf = append(append(buf, value[from:i]...), '\\', c)
			from = i + 1
		case '\n':
			buf = append(append(buf, value[from:i]...), '\\', 'n')
			from = i + 1
		}
	}
	return append(buf, value[from:]...)
}

// appendValue appends a sample's value and the end of its line.
func appendValue(buf []byte, value float64) []byte {
	return append(appendFloat(append(buf, ' '), value), '\n')
}

func appendFloat(buf []byte, value float64) []byte {
	switch value {
	case 0: // also if it is negative
		return append(buf, '0')
	case 1:
		return append(buf, '1')
	}
	return strconv.AppendFloat(buf, value, 'g', -1, 64)
}

// Gather implements [prometheus.Gatherer]. Series are in the order of the report. The error is always nil.
func (e *Exposition) Gather() ([]*dto.MetricFamily, error) {
	var out []*dto.MetricFamily
	for _, n := range ordered {
		if e.first[n] == 0 {
			continue
		}
		family := &dto.MetricFamily{Name: &table[n].Name, Help: &table[n].Help, Type: dtoTypes[table[n].Type].Enum()}
		for s := range e.of(n) {
			family.Metric = append(family.Metric, e.metric(n, s))
		}
		out = append(out, family)
	}
	return out, nil
}

var dtoTypes = map[Type]dto.MetricType{
	Gauge: dto.MetricType_GAUGE, Counter: dto.MetricType_COUNTER, Histogram: dto.MetricType_HISTOGRAM,
}

// metric is one series for client_golang's encoders.
func (e *Exposition) metric(n name, s *sample) *dto.Metric {
	out := new(dto.Metric)
	switch table[n].Type {
	case Gauge:
		out.Gauge = &dto.Gauge{Value: &s.value}
	case Counter:
		out.Counter = &dto.Counter{Value: &s.value}
	case Histogram:
		_ = e.histograms[s.index].native.Write(out) // client_golang's histograms give no error
	}
	out.Label = make([]*dto.LabelPair, len(layouts[n].labels))
	for i := range layouts[n].labels {
		l, value := &layouts[n].labels[i], e.label(s, layouts[n].labels[i].index)
		out.Label[i] = &dto.LabelPair{Name: &l.name, Value: &value}
	}
	return out
}
