package idle

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sentence says bounds in words.
func (b *Bounds) sentence(lost, closed *tally, steps []*tally, longest time.Duration, unknown *Observation) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if b.Survived > 0 {
		say("a silence of %s survives", Seconds(b.Survived))
	}
	if lost != nil {
		say("after %s the connection is lost: %s", Seconds(b.Lost), lost.loss.Detail)
	}
	if closed != nil {
		say("after %s the server itself ends the connection (%s), so nothing is known of longer silences", Seconds(b.Closed), closed.close.Detail)
	}
	switch {
	case lost != nil || closed != nil:
	case unknown != nil && b.Survived > 0:
		say("longer is not known: %s", unknown.Detail)
	case unknown != nil:
		say("not known: %s", unknown.Detail)
	case len(steps) == 0:
		say("not known: nothing was measured")
	case len(parts) == 0 && !b.Unsteady:
		say("not known: connections that were silent for as long ended in different ways")
	}
	if b.Unsteady {
		say("%s", b.unsteadiness(steps, longest))
	}
	return strings.Join(parts, "; ")
}

// unsteadiness names the contradiction.
func (b *Bounds) unsteadiness(steps []*tally, longest time.Duration) string {
	for _, t := range steps {
		if t.survived > 0 && t.survived < t.known() {
			return fmt.Sprintf("not steady: of %d connections silent for %s, %d survived", t.known(), Seconds(t.step), t.survived)
		}
	}
	return fmt.Sprintf("not steady: another connection survived %s", Seconds(longest))
}

// Seconds writes a silence as the settings of devices and NATs have it: "540 s". Fractions matter below 10 s only.
func Seconds(d time.Duration) string {
	precision := time.Second
	if d < 10*time.Second {
		precision = 10 * time.Millisecond
	}
	return strconv.FormatFloat(d.Round(precision).Seconds(), 'f', -1, 64) + " s"
}
