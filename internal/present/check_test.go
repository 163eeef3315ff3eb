package present

import (
	"errors"
	"testing"
)

func TestErrorText(t *testing.T) {
	plain := errors.New("cannot do it")
	for _, tt := range []struct {
		name    string
		command string
		err     error
		want    string
	}{
		{"of the program", "", plain, "endpoint_exporter: cannot do it\n"},
		{"without a hint", "check", plain, "endpoint_exporter: check: cannot do it\n"},
		{"with a hint", "check", WithHint(plain, "do something else"), "endpoint_exporter: check: cannot do it\nhint: do something else\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ErrorText(tt.command, tt.err); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if !errors.Is(tt.err, plain) {
				t.Error("the error is lost")
			}
		})
	}
}
