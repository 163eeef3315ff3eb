package kitlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/go-logfmt/logfmt"
)

// nest reverses the flattening of groups, and gives the time the name that slogtest expects.
func nest(flat map[string]any) map[string]any {
	out := map[string]any{}
	for key, v := range flat {
		if key == timeKey {
			key = slog.TimeKey
		}
		m := out
		parts := strings.Split(key, ".")
		for _, p := range parts[:len(parts)-1] {
			if m[p] == nil {
				m[p] = map[string]any{}
			}
			m = m[p].(map[string]any)
		}
		m[parts[len(parts)-1]] = v
	}
	return out
}

func parseLogfmt(t *testing.T, r io.Reader) []map[string]any {
	t.Helper()
	var out []map[string]any
	d := logfmt.NewDecoder(r)
	for d.ScanRecord() {
		m := map[string]any{}
		for d.ScanKeyval() {
			m[string(d.Key())] = string(d.Value())
		}
		out = append(out, m)
	}
	if err := d.Err(); err != nil {
		t.Fatalf("log is not logfmt: %v", err)
	}
	return out
}

func parseJSON(t *testing.T, r io.Reader) []map[string]any {
	t.Helper()
	var out []map[string]any
	d := json.NewDecoder(r)
	for {
		var m map[string]any
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("log is not JSON: %v", err)
		}
		out = append(out, m)
	}
}

var formats = map[string]func(*testing.T, io.Reader) []map[string]any{"logfmt": parseLogfmt, "json": parseJSON}

func TestHandlerContract(t *testing.T) {
	for format, parse := range formats {
		t.Run(format, func(t *testing.T) {
			var buf bytes.Buffer
			slogtest.Run(t,
				func(*testing.T) slog.Handler { buf.Reset(); return New(&buf, format, slog.LevelDebug).Handler() },
				func(t *testing.T) map[string]any {
					records := parse(t, &buf)
					if len(records) != 1 {
						t.Fatalf("%d records, want 1", len(records))
					}
					return nest(records[0])
				})
		})
	}
}

func TestHandlerRecord(t *testing.T) {
	var buf bytes.Buffer
	logger := New(&buf, "logfmt", slog.LevelInfo)
	logger.With("component", "survey").WithGroup("g").Info("round done", "took", 1500*time.Millisecond, "addr", netip.MustParseAddr("192.0.2.1"),
		"err", errors.New("two\nlines"), "hosts", []string{"a", "b"}, "none", nil)
	_, rest, _ := strings.Cut(buf.String(), " ")
	const want = `level=info msg="round done" component=survey g.took=1.5s g.addr=192.0.2.1 g.err="two\nlines" g.hosts="[a b]" g.none=<nil>` + "\n"
	if rest != want {
		t.Errorf("got  %swant %s", rest, want)
	}
	ts, _, _ := strings.Cut(strings.TrimPrefix(buf.String(), "ts="), " ")
	if at, err := time.Parse(time.RFC3339Nano, ts); err != nil || at.Location() != time.UTC {
		t.Errorf("time %q is not RFC 3339 in UTC (%v)", ts, err)
	}
}

func TestHandlerHostileText(t *testing.T) {
	type broken struct{ C chan int }
	var null *netip.Addr
	for format, parse := range formats {
		var buf bytes.Buffer
		New(&buf, format, slog.LevelInfo).Info("a\x1b[31mb\nlevel=error",
			"k y\"=", "\u009b2J\xff", "", "no key", "nan", math.NaN(), "chan", broken{}, "nil", null, "panics", panicker{}) //nolint:sloglint // hostile keys are the point
		records := parse(t, &buf)
		if len(records) != 1 {
			t.Fatalf("%s: %d records, want 1", format, len(records))
		}
		got := records[0]
		if got["msg"] != "a\ufffd[31mb\nlevel=error" || got["level"] != "info" {
			t.Errorf("%s: %q", format, got)
		}
		if got["k_y__"] != "\ufffd2J\ufffd" || got["_"] != "no key" || got["nan"] != "NaN" || got["chan"] != "{C:<nil>}" {
			t.Errorf("%s: %q", format, got)
		}
	}
}

type panicker struct{}

func (panicker) String() string { panic("no") }

func TestHandlerLevelChanges(t *testing.T) {
	var buf bytes.Buffer
	var level slog.LevelVar
	logger := New(&buf, "logfmt", &level)
	logger.Debug("hidden")
	level.Set(slog.LevelDebug)
	logger.Debug("shown")
	level.Set(slog.LevelError)
	logger.Warn("hidden")
	if got := parseLogfmt(t, &buf); len(got) != 1 || got[0]["msg"] != "shown" || got[0]["level"] != "debug" {
		t.Errorf("got %v", got)
	}
}

func TestHandlerConcurrentRecords(t *testing.T) {
	var buf bytes.Buffer
	logger := New(&buf, "json", slog.LevelInfo)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			with := logger.With("worker", i)
			for range 50 {
				with.Info("x")
			}
		})
	}
	wg.Wait()
	if got := len(parseJSON(t, &buf)); got != 400 {
		t.Errorf("%d records, want 400", got)
	}
}
