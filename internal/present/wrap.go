package present

import (
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// columns measures texts for a terminal. The widths do not depend on the locale.
var columns = &runewidth.Condition{StrictEmojiNeutral: true}

// pad is the spaces that fill a text up to a width.
func pad(s string, width int) string {
	return strings.Repeat(" ", max(0, width-columns.StringWidth(s)))
}

// Wrap breaks a text between words so that no line is wider than width columns, and indents all lines except the first.
// A word that is wider than a line is broken too, because text from the network need not contain spaces. A number stays
// on one line with its unit.
func Wrap(text string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for _, word := range withUnits(strings.Fields(text)) {
		n := columns.StringWidth(word)
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteString("\n" + indent)
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		for n > width {
			head := columns.Truncate(word, width, "")
			if head == "" { // a character that is wider than the line
				head = string([]rune(word)[:1])
			}
			b.WriteString(head + "\n" + indent)
			word = word[len(head):]
			n = columns.StringWidth(word)
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// tableColumns are the columns before the last one of a table in [WrapLines].
const tableColumns = 12

// WrapLines breaks the lines of a text for a terminal. Lines that begin with a space are the rows of a table, whose
// last column is broken within itself.
func WrapLines(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		lead := 0
		if strings.HasPrefix(line, " ") {
			lead = min(tableColumns, len(line))
		}
		b.WriteString(line[:lead] + Wrap(line[lead:], max(width-lead, tableColumns), strings.Repeat(" ", lead)) + "\n")
	}
	return b.String()
}

// units are those of durations.
var units = []string{"ms", "s", "min", "h"}

// withUnits joins each number with the unit that follows it.
func withUnits(words []string) []string {
	out := words[:0]
	for _, word := range words {
		last := len(out) - 1
		if last >= 0 && slices.Contains(units, strings.TrimRight(word, ",;:.)")) && strings.Trim(out[last], "0123456789.(") == "" {
			out[last] += " " + word
			continue
		}
		out = append(out, word)
	}
	return out
}
