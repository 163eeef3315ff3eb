package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/shelldoc"
)

// TestDocumentedCommands runs every command of this program that stands in a document; a lab ends when it is up.
func TestDocumentedCommands(t *testing.T) {
	found, err := shelldoc.In("../..", "endpoint_lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	n := 0
	for _, c := range found {
		if c.Program() != "endpoint_lab" {
			continue
		}
		n++
		ctx, cancel := context.WithCancel(t.Context())
		var stderr bytes.Buffer
		up := onText{"lab is up", cancel}
		if code := run(ctx, c.Words[1:], up, io.MultiWriter(&stderr, up)); code != exitOK {
			t.Errorf("%s: %s: exit code %d: %s", c.Place, strings.Join(c.Words, " "), code, &stderr)
		}
		cancel()
	}
	if n == 0 {
		t.Error("no command found")
	}
}

// onText calls a function when a text is written to it.
type onText struct {
	text string
	call func()
}

func (o onText) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(o.text)) {
		o.call()
	}
	return len(p), nil
}
