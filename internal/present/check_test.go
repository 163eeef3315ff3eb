package present

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWatchText(t *testing.T) {
	end := time.Date(2026, 11, 28, 3, 0, 5, 0, time.UTC).Local()
	until := ", watching until " + end.Format("15:04:05 ") + end.Format("MST") + " (Ctrl-C to stop)"
	if got, want := WatchText(1, time.Time{}, end), "1 DNS verdict is still open"+until; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := WatchText(2, end, end), "2 DNS verdicts are still open, learning until "+end.Format("15:04:05 MST")+until; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWriteError(t *testing.T) {
	plain := errors.New("cannot do it")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"without a hint", plain, "endpoint_exporter: check: cannot do it\n"},
		{"with a hint", WithHint(plain, "do something else"), "endpoint_exporter: check: cannot do it\nhint: do something else\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			WriteError(&b, "check", tt.err)
			if b.String() != tt.want {
				t.Errorf("%q, want %q", b.String(), tt.want)
			}
			if !errors.Is(tt.err, plain) {
				t.Error("the error is lost")
			}
		})
	}
}
