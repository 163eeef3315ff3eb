package present

import (
	"errors"
	"fmt"
	"io"
)

// The words of the check command that are not about a report.

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// WithHint adds to an error what the user can do about it. [WriteError] shows both.
func WithHint(err error, hint string) error { return hinted{err, hint} }

// WriteError tells the user of a command why it did not do its work: the error and, on a second line, the hint if
// there is one.
func WriteError(w io.Writer, command string, err error) {
	fmt.Fprintf(w, "endpoint_exporter: %s: %v\n", command, err)
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintf(w, "hint: %s\n", h.hint)
	}
}

// ProbingText is the progress of a check that waits for its first round.
const ProbingText = "probing the paths"

// TracingText is the progress of check --trace after its round.
const TracingText = "tracing the blocked paths"
