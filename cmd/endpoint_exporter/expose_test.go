package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// Accept headers of Prometheus servers, and of one that scrapes native histograms.
const (
	acceptPrometheus2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," +
		"text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
	acceptPrometheus3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=0.0.1;q=0.6," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
	acceptProtobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," +
		"text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)

// TestExpose scrapes as Prometheus does and as others do. What the exporter writes and what client_golang writes are
// the same series.
func TestExpose(t *testing.T) {
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		e := startExporterOn(t, network, bootstrapOnly(t, network).Config())
		series := func(url, from string, header ...string) (response *http.Response, names []string) {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			request.RemoteAddr = from
			for i := 0; i+1 < len(header); i += 2 {
				request.Header.Set(header[i], header[i+1])
			}
			recorder := httptest.NewRecorder()
			e.handler().ServeHTTP(recorder, request)
			response = recorder.Result()
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", url, response.Status)
			}
			return response, seriesOf(t, response)
		}
		const local, remote = "127.0.0.1:1", "203.0.113.7:1"
		_, want := series("/metrics", local)
		for name, test := range map[string]struct {
			from, accept, encoding  string
			contentType, compressed string
		}{
			"no preference":                    {from: remote, contentType: "text/plain; version=0.0.4; charset=utf-8"},
			"Prometheus 2 on another machine":  {from: remote, accept: acceptPrometheus2, encoding: "gzip", compressed: "gzip", contentType: "text/plain; version=0.0.4"},
			"Prometheus 3 on another machine":  {from: remote, accept: acceptPrometheus3, encoding: "gzip", compressed: "gzip", contentType: "text/plain; version=0.0.4"},
			"Prometheus 3 on this machine":     {from: local, accept: acceptPrometheus3, encoding: "gzip", contentType: "text/plain; version=0.0.4"},
			"Prometheus 3 on this machine, v6": {from: "[::1]:1", accept: acceptPrometheus3, encoding: "gzip", contentType: "text/plain; version=0.0.4"},
			"native histograms":                {from: remote, accept: acceptProtobuf, encoding: "gzip", compressed: "gzip", contentType: "application/vnd.google.protobuf"},
			"an invalid address":               {from: "@", encoding: "gzip", compressed: "gzip", contentType: "text/plain; version=0.0.4"},
		} {
			header := []string{}
			if test.accept != "" {
				header = append(header, "Accept", test.accept)
			}
			if test.encoding != "" {
				header = append(header, "Accept-Encoding", test.encoding)
			}
			response, got := series("/metrics", test.from, header...)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d series, want %d", name, len(got), len(want))
			}
			if content := response.Header.Get("Content-Type"); !strings.HasPrefix(content, test.contentType) {
				t.Errorf("%s: content type %q", name, content)
			}
			if coding := response.Header.Get("Content-Encoding"); coding != test.compressed {
				t.Errorf("%s: coding %q, want %q", name, coding, test.compressed)
			}
			if vary := strings.Join(response.Header.Values("Vary"), ", "); vary != "Accept, Accept-Encoding" {
				t.Errorf("%s: Vary: %q", name, vary)
			}
		}
		for _, accept := range []string{"", acceptProtobuf} { // one metric of a report and one of the exporter itself
			_, got := series("/metrics?name[]=endpoint_up&name[]=go_goroutines&name[]=nothing", remote, "Accept", accept)
			if want := []string{`endpoint_up{host="` + bootstrapHost + `",service="bootstrap"}`, "go_goroutines{}"}; !slices.Equal(got, want) {
				t.Errorf("Accept: %q: %q", accept, got)
			}
		}
	})
}

// seriesOf lists the series of a response in any format and coding, sorted.
func seriesOf(t *testing.T, response *http.Response) []string {
	t.Helper()
	body := io.Reader(response.Body)
	if response.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if format := expfmt.ResponseFormat(response.Header); format.FormatType() == expfmt.TypeTextPlain {
		return slices.Sorted(maps.Keys(parseExposition(t, string(text))))
	}
	var out []string
	decoder := expfmt.NewDecoder(bytes.NewReader(text), expfmt.ResponseFormat(response.Header))
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			slices.Sort(out)
			return out
		}
		for _, m := range family.Metric {
			out = append(out, series(family.GetName(), m))
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "zstd,gzip": true, " gzip ; q=1.0 ": true,
		"gzip;q=0": false, "gzip;q=0.000": false, "gzip;q=x": false, "identity": false, "gzipped": false, "deflate;q=0, br": false,
	} {
		if got := acceptsGzip(http.Header{"Accept-Encoding": {header}}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
	if acceptsGzip(http.Header{}) {
		t.Error("without the header")
	}
}
