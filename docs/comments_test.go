package docs

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestCommentColumns tests that a line that is only a comment has at most 120 characters.
func TestCommentColumns(t *testing.T) {
	const most = 120
	for path, source := range goSources(t) {
		number := 0
		for line := range strings.Lines(source) {
			number++
			line = strings.TrimRight(line, "\n")
			comment := strings.TrimLeft(line, "\t")
			if strings.HasPrefix(comment, "//") && !strings.HasPrefix(comment, "//go:") && utf8.RuneCountInString(line) > most {
				t.Errorf("%s:%d: the comment has %d characters, want at most %d", path, number, utf8.RuneCountInString(line), most)
			}
		}
	}
}
