package present

import (
	"errors"
)

// The words of the check command that are not about a report.

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// WithHint adds to an error what the user can do about it. [ErrorText] shows both.
func WithHint(err error, hint string) error { return hinted{err, hint} }

// ErrorText tells the user why a command did not do its work: the error and, on a second line, the hint if there is
// one. command is "" for the program as a whole.
func ErrorText(command string, err error) string {
	out := "endpoint_exporter: "
	if command != "" {
		out += command + ": "
	}
	out += err.Error() + "\n"
	var h hinted
	if errors.As(err, &h) {
		out += "hint: " + h.hint + "\n"
	}
	return out
}

// ProbingText is the progress of a check that waits for its first round.
const ProbingText = "probing the paths"

// TracingText is the progress of check --trace after its round.
const TracingText = "tracing the blocked paths"
