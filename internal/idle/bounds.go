package idle

import (
	"cmp"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// tally holds the observations of one step.
type tally struct {
	step     time.Duration
	survived int
	lost     []report.IdleObservation // ascending by After
	closed   []report.IdleObservation // ascending by After
	unknown  []report.IdleObservation
	events   []report.IdleObservation // ended by an event, of any ending: see endedByEvent
}

// known counts the connections with a result.
func (t *tally) known() int { return t.survived + len(t.lost) + len(t.closed) }

// ending is that of the majority of this step's connections. For a loss or an end by the server it also returns the
// shorter of two observations that agree. It is IdleUnknown without a majority, or if no two agree. Both kinds of
// loss are returned as IdleDropped.
func (t *tally) ending() (report.IdleEnding, *report.IdleObservation) {
	lost, closed := agreed(t.lost), agreed(t.closed)
	switch n := t.known(); {
	case lost != nil && 2*len(t.lost) > n:
		return report.IdleDropped, lost
	case closed != nil && 2*len(t.closed) > n:
		return report.IdleClosed, closed
	case 2*t.survived > n:
		return report.IdleSurvived, nil
	}
	return report.IdleUnknown, nil
}

// An idle timeout is the same each time. Two silences agree on one if they differ by at most the larger of these, which
// allows for timers that are checked every second or two, and excludes restarts of a server.
const (
	toleranceShare = 10 // a tenth of the longer silence
	tolerance      = 2 * time.Second
)

// agree reports whether one idle timeout explains two silences.
func agree(shorter, longer time.Duration) bool {
	return longer-shorter <= max(longer/toleranceShare, tolerance)
}

// agreed returns the shorter of the first two ends that agree; nil if none do. ends ascend by After.
func agreed(ends []report.IdleObservation) *report.IdleObservation {
	for i := range len(ends) - 1 {
		if agree(ends[i].After, ends[i+1].After) {
			return &ends[i]
		}
	}
	return nil
}

// settled reports whether this step needs no further connection: two agree, or there were three.
func (t *tally) settled() bool {
	return t.survived >= 2 || agreed(t.lost) != nil || agreed(t.closed) != nil || t.known()+len(t.unknown)+len(t.events) >= 3
}

// onlySurvived reports whether survival is all that is known about this step. After an event at least one connection
// must have survived.
func (t *tally) onlySurvived() bool {
	return t.known() == t.survived && (t.survived > 0 || len(t.events) == 0)
}

// An event, such as a restart, ends connections at one moment and so after silences of different length. An idle
// timeout ends them after the same silence and so at different moments. Silences must differ by at least
// minEventSpread to tell these two cases apart.
const minEventSpread = 100 * time.Millisecond

// endedByEvent marks the observations that an event ended: the server has restarted, or a NAT has lost its table. Two
// ends are marked if they lie less than half as far apart as their silences differ.
func endedByEvent(observations []report.IdleObservation) []bool {
	event := make([]bool, len(observations))
	for i := range observations {
		for j := range i {
			a, b := &observations[i], &observations[j]
			apart := (a.After - b.After).Abs()
			if !a.Ended.IsZero() && !b.Ended.IsZero() && apart >= minEventSpread && a.Ended.Sub(b.Ended).Abs() < apart/2 {
				event[i], event[j] = true, true
			}
		}
	}
	return event
}

// unconfirmed returns the step to measure again: the shortest that did not survive, until two connections agree on
// it. If they show that it survives, it is the next one. A server that was restarted looks like a NAT with a timeout,
// but not twice after the same silence.
func unconfirmed(observations []report.IdleObservation, steps []time.Duration) (step time.Duration, ok bool) {
	all := tallies(observations)
	for _, t := range all {
		if t.onlySurvived() {
			continue
		}
		if !t.settled() {
			return t.confirmingStep(steps, all), true
		}
		if ending, _ := t.ending(); ending == report.IdleDropped || ending == report.IdleClosed {
			return 0, false
		}
	}
	return 0, false
}

// confirmingStep is the shortest unsettled step that can confirm the end of this one: if a connection was ended after
// 110 s of 540 s, a silence of 120 s suffices.
func (t *tally) confirmingStep(steps []time.Duration, all []*tally) time.Duration {
	after := t.step
	for _, ends := range [][]report.IdleObservation{t.lost, t.closed} {
		if len(ends) > 0 {
			after = min(after, ends[0].After)
		}
	}
	for _, step := range steps {
		settled := slices.ContainsFunc(all, func(other *tally) bool { return other.step == step && other.settled() })
		if step > after && step < t.step && !settled {
			return step
		}
	}
	return t.step
}

// tallies groups observations by step, in ascending order.
func tallies(observations []report.IdleObservation) []*tally {
	var out []*tally
	event := endedByEvent(observations)
	for k, o := range observations {
		i := slices.IndexFunc(out, func(t *tally) bool { return t.step == o.Step })
		if i < 0 {
			i = len(out)
			out = append(out, &tally{step: o.Step})
		}
		t := out[i]
		switch {
		case event[k]:
			t.events = append(t.events, o)
		case o.Ending == report.IdleSurvived:
			t.survived++
		case o.Ending == report.IdleDropped || o.Ending == report.IdleReset:
			t.lost = append(t.lost, o)
		case o.Ending == report.IdleClosed:
			t.closed = append(t.closed, o)
		case o.Ending == report.IdleUnknown:
			t.unknown = append(t.unknown, o)
		}
	}
	for _, t := range out {
		slices.SortStableFunc(t.lost, byAfter)
		slices.SortStableFunc(t.closed, byAfter)
	}
	slices.SortStableFunc(out, func(a, b *tally) int { return cmp.Compare(a.step, b.step) })
	return out
}

func byAfter(a, b report.IdleObservation) int { return cmp.Compare(a.After, b.After) }

// Judge derives bounds from observations, which may be in any order. An end counts once two connections agree on the
// silence before it. Contradictions are resolved cautiously: for one step the majority counts; over all steps, Lost
// is the shortest silence lost and Survived the longest survived below it, even if a longer one survived. A limit of
// the server that a longer silence outlived does not count.
func Judge(observations []report.IdleObservation) report.IdleBounds {
	var b report.IdleBounds
	f := stepResults{steps: tallies(observations)}
	longer := false // a silence longer than one that ended a connection was survived
	for _, t := range f.steps {
		if t.survived > 0 {
			f.longest = t.step
		}
		if ending, end := t.ending(); ending == report.IdleClosed && (f.closed == nil || end.After < f.closed.After) {
			f.closed = end
		}
	}
	if f.closed != nil && f.longest > f.closed.After {
		f.closed, longer = nil, true
	}
	for _, t := range f.steps {
		// After the server's limit the path has nothing left to lose.
		if ending, end := t.ending(); ending == report.IdleDropped && (f.lost == nil || end.After < f.lost.After) && (f.closed == nil || end.After < f.closed.After) {
			f.lost = end
		}
	}
	if f.lost != nil {
		b.Lost, b.LostBy = f.lost.After, f.lost.How
		f.longest = max(f.longest, f.outlived())
		longer = longer || f.longest > b.Lost
	}
	if f.closed != nil {
		b.Closed, b.ClosedBy = f.closed.After, f.closed.How
	}
	for _, t := range f.steps {
		if ending, _ := t.ending(); ending == report.IdleSurvived && (f.lost == nil || t.step < b.Lost) {
			b.Survived = t.step
		}
	}
	b.Reason = f.reason(&b)
	b.Unsteady = f.unsteady(f.countEvents(), longer)
	if f.lost == nil && f.closed == nil {
		b.Open = f.open(&b)
	}
	return b
}

// stepResults holds the tallies of all steps, and what they show together.
type stepResults struct {
	steps        []*tally
	longest      time.Duration           // silence that any connection survived
	lost, closed *report.IdleObservation // the shortest that count; nil without one
}

// countEvents counts the ends by events that neither bound explains: a timer that is checked every second ends
// connections together too.
func (f *stepResults) countEvents() (n int) {
	for _, t := range f.steps {
		for _, o := range t.events {
			if !slices.ContainsFunc([]*report.IdleObservation{f.lost, f.closed}, func(end *report.IdleObservation) bool {
				return end != nil && agree(min(end.After, o.After), max(end.After, o.After))
			}) {
				n++
			}
		}
	}
	return n
}

// outlived is the longest silence at whose end a connection still existed and was then ended, if it exceeds the
// silence of the loss by more than the tolerance; else 0.
func (f *stepResults) outlived() (longest time.Duration) {
	for _, t := range f.steps {
		for _, o := range slices.Concat(t.lost, t.closed) {
			if !o.Ended.IsZero() && !agree(f.lost.After, o.After) {
				longest = max(longest, o.After)
			}
		}
	}
	return longest
}

func (f *stepResults) reason(b *report.IdleBounds) report.IdleReason {
	switch {
	case f.lost != nil && f.lost.Ending == report.IdleReset:
		return report.IdleReasonReset
	case f.lost != nil:
		return report.IdleReasonDropped
	case f.closed != nil:
		return report.IdleReasonLimit
	case b.Survived > 0:
		return report.IdleReasonSurvived
	}
	return report.IdleReasonUnknown
}

// unsteady names the first contradiction, or returns the zero value. events is the number of ends by events; longer is
// set if a silence was survived that is longer than one which ended a connection.
func (f *stepResults) unsteady(events int, longer bool) report.IdleUnsteady {
	if events > 0 {
		return report.IdleUnsteady{Kind: report.IdleEndedTogether, Connections: events}
	}
	for _, t := range f.steps {
		if t.survived > 0 && t.survived < t.known() {
			return report.IdleUnsteady{Kind: report.IdleSomeSurvived, Connections: t.known(), Survived: t.survived, Silence: t.step}
		}
	}
	for _, t := range f.steps {
		if ending, _ := t.ending(); ending == report.IdleUnknown && t.known() > 1 {
			return report.IdleUnsteady{Kind: report.IdleEndsDiffer, Connections: t.known(), Silence: t.step}
		}
	}
	if longer {
		return report.IdleUnsteady{Kind: report.IdleLongerSurvived, Silence: f.longest}
	}
	return report.IdleUnsteady{}
}

// open is why silences longer than those survived have no result: the first connection without one, or one that ended
// without another that agrees.
func (f *stepResults) open(b *report.IdleBounds) report.IdleOpen {
	if len(f.steps) == 0 {
		return report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleNothingMeasured}}
	}
	for _, t := range f.steps {
		if t.step <= b.Survived {
			continue
		}
		for _, open := range [][]report.IdleObservation{t.unknown, t.lost, t.closed, t.events} {
			if len(open) > 0 {
				return report.IdleOpen{Fact: open[0].How, After: open[0].After} // After is 0 if it has no result
			}
		}
	}
	if b.Survived == 0 && b.Unsteady == (report.IdleUnsteady{}) {
		return report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleDisagreement}}
	}
	return report.IdleOpen{}
}
