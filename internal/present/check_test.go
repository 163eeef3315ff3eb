package present

import (
	"errors"
	"strings"
	"testing"
)

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
