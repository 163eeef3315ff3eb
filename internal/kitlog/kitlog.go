// Package kitlog is a [slog.Handler] that writes through a go-kit logger, so that call sites use slog and the whole
// program, exporter-toolkit included, has one log in one format. Use [New].
//
// It is not github.com/tjhop/slog-gokit (v0.2.2) because that passes control characters in attributes on to the
// terminal (U+009B in JSON), and loses the whole record in logfmt if an attribute has an empty key.
package kitlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-kit/log"
)

// Keys of every record. The time is in UTC as RFC 3339 with nanoseconds.
const (
	timeKey    = "ts"
	levelKey   = "level"
	messageKey = "msg"
)

// New returns a logger that writes to w in a format: "json", or logfmt for anything else. Records below level are
// dropped; a [*slog.LevelVar] lets the level be changed later. Writes to w are serialised.
func New(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	w = log.NewSyncWriter(w)
	var out log.Logger
	if format == "json" {
		out = log.NewJSONLogger(w)
	} else {
		out = log.NewLogfmtLogger(w)
	}
	return slog.New(&handler{out: out, level: level})
}

// handler writes slog records through a go-kit logger. Groups are flattened: an attribute b of group a has the key
// "a.b".
type handler struct {
	out     log.Logger
	level   slog.Leveler
	prefix  string // of keys: the open groups, each followed by a dot
	keyvals []any  // the attributes of WithAttrs, in the form that out takes
}

// Enabled reports whether records of a level are written.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// Handle writes one record.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	keyvals := make([]any, 0, 6+len(h.keyvals)+2*r.NumAttrs())
	if !r.Time.IsZero() {
		keyvals = append(keyvals, timeKey, r.Time.UTC().Format(time.RFC3339Nano))
	}
	keyvals = append(keyvals, levelKey, strings.ToLower(r.Level.String()), messageKey, clean(r.Message))
	keyvals = append(keyvals, h.keyvals...)
	r.Attrs(func(a slog.Attr) bool {
		keyvals = appendAttr(keyvals, h.prefix, a)
		return true
	})
	return h.out.Log(keyvals...)
}

// WithAttrs returns a handler whose records all carry attrs.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.keyvals = slices.Clone(h.keyvals)
	for _, a := range attrs {
		with.keyvals = appendAttr(with.keyvals, h.prefix, a)
	}
	return &with
}

// WithGroup returns a handler that puts all later attributes into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.prefix += name + "."
	return &with
}

// appendAttr flattens one attribute. The contract of slog.Handler omits an empty attribute and an empty group, and
// inlines a group without a name.
func appendAttr(keyvals []any, prefix string, a slog.Attr) []any {
	v := a.Value.Resolve()
	if a.Key == "" && v.Equal(slog.Value{}) {
		return keyvals
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			keyvals = appendAttr(keyvals, prefix, inner)
		}
		return keyvals
	}
	return append(keyvals, cleanKey(prefix+a.Key), plain(v))
}

// plain converts a value to one that both encoders can write. With any other value an encoder loses the whole record.
func plain(v slog.Value) any {
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64:
		return v.Any()
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	default: // fmt calls Error and String and recovers from their panics; JSON has no NaN, so floats are text too
		return clean(fmt.Sprintf("%+v", v.Any()))
	}
}

// clean replaces characters that are not printable by U+FFFD, so that the log can be shown on a terminal. Line breaks
// and tabs stay: the encoders escape them.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return utf8.RuneError
	}, s)
}

// cleanKey returns a key that logfmt can write: without blanks, quotes and equals signs, and not empty.
func cleanKey(key string) string {
	key = strings.Map(func(r rune) rune {
		if r <= ' ' || r == '=' || r == '"' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, key)
	if key == "" {
		return "_"
	}
	return key
}
