package idle

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sentence says bounds in words.
func (f *findings) sentence(b *Bounds) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if b.Survived > 0 {
		say("a silence of %s survives", Seconds(b.Survived))
	}
	if f.lost != nil {
		say("after %s the connection is lost: %s", Seconds(b.Lost), f.lost.Detail)
	}
	if f.closed != nil {
		say("after %s the server itself ends the connection (%s), so nothing is known of longer silences", Seconds(b.Closed), f.closed.Detail)
	}
	if f.lost == nil && f.closed == nil {
		notKnown := "not known"
		if b.Survived > 0 {
			notKnown = "longer is not known"
		}
		switch {
		case len(f.steps) == 0:
			say("not known: nothing was measured")
		case f.open != nil && f.open.Ending == Unknown:
			say("%s: %s", notKnown, f.open.Detail)
		case f.open != nil:
			say("%s: one connection ended after %s (%s), but no other did", notKnown, Seconds(f.open.After), f.open.Detail)
		case len(parts) == 0 && !b.Unsteady:
			say("not known: connections that were silent for as long ended in different ways")
		}
	}
	if b.Unsteady {
		say("%s", f.unsteadiness())
	}
	return strings.Join(parts, "; ")
}

// unsteadiness names the contradiction.
func (f *findings) unsteadiness() string {
	if f.unexplained > 0 {
		return fmt.Sprintf("not steady: %d connections ended at one moment, after silences of different length, so that "+
			"something else than silence ended them, such as a restart", f.unexplained)
	}
	for _, t := range f.steps {
		if t.survived > 0 && t.survived < t.known() {
			return fmt.Sprintf("not steady: of %d connections silent for %s, %d survived", t.known(), Seconds(t.step), t.survived)
		}
	}
	for _, t := range f.steps {
		if ending, _ := t.ending(); ending == Unknown && t.known() > 1 {
			return fmt.Sprintf("not steady: %d connections that were to be silent for %s ended after different silences", t.known(), Seconds(t.step))
		}
	}
	return fmt.Sprintf("not steady: another connection survived %s", Seconds(f.longest))
}

// Seconds writes a silence as the settings of devices and NATs have it: "540 s". Fractions matter below 10 s only.
func Seconds(d time.Duration) string {
	precision := time.Second
	if d < 10*time.Second {
		precision = 10 * time.Millisecond
	}
	return strconv.FormatFloat(d.Round(precision).Seconds(), 'f', -1, 64) + " s"
}
