package idle

import (
	"cmp"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Ending says how a silent connection fared.
type Ending string

const (
	// Unknown: the connection says nothing about silence. Observation.Detail says why.
	Unknown Ending = "unknown"
	// Survived: what was sent after the silence was answered.
	Survived Ending = "survived"
	// Dropped: no answer came, while a fresh connection gets one. The worst case: a device waits for a quarter of an hour
	// before it gives the connection up.
	Dropped Ending = "dropped"
	// Reset: cut by RST (over UDP: ICMP port unreachable), during the silence or in answer to what was sent after it.
	Reset Ending = "reset"
	// Closed: ended by the server itself, by FIN or a TLS alert.
	Closed Ending = "closed"
)

// Observation is what one silent connection showed.
type Observation struct {
	Step   time.Duration // the silence that was to be kept
	After  time.Duration // the silence that was kept, less than Step if the connection was ended during it; 0: Unknown
	Ending Ending
	Detail string // how it ended, or why that is not known, for a person: safe to show
	// Ended is when it was ended during the silence; zero: it was not.
	Ended time.Time
}

// The closed list of [report.IdleReason].
const (
	ReasonUnknown  report.IdleReason = "unknown"      // nothing was learned
	ReasonSurvived report.IdleReason = "survived"     // every silence that has a result survived
	ReasonDropped  report.IdleReason = "dropped"      // the path drops silent connections without a word
	ReasonReset    report.IdleReason = "reset"        // silent connections are cut by RST
	ReasonLimit    report.IdleReason = "server_limit" // the server itself ends silent connections
)

// Bounds bound how long silence survives. A zero duration is not known.
type Bounds struct {
	// Survived is the longest silence survived, below Lost if there is one.
	Survived time.Duration
	// Lost is the shortest silence after which the path had lost the connection.
	Lost time.Duration
	// Closed is the silence after which the server itself ended the connection. What the path does with longer ones is then
	// not known.
	Closed time.Duration
	Reason report.IdleReason
	// Unsteady: a silence was both survived and not, or a longer one survived than one that did not, or silence was not what
	// ended connections.
	Unsteady bool
	// Why says it in words.
	Why string
}

// tally is what all connections with one step showed.
type tally struct {
	step     time.Duration
	survived int
	lost     []Observation // ascending by After
	closed   []Observation // the same
	unknown  []Observation
	events   []Observation // ended by an event, whatever the ending: see eventful
}

// known counts the connections with a result.
func (t *tally) known() int { return t.survived + len(t.lost) + len(t.closed) }

// ending is what most connections of this step showed, and for a loss or an end by the server the shorter of two that
// agree on it; Unknown if none has a majority, or none agree. A loss is any that is not the server's own doing, and is said
// as Dropped.
func (t *tally) ending() (Ending, *Observation) {
	switch n := t.known(); {
	case 2*len(t.lost) > n:
		if o := agreed(t.lost); o != nil {
			return Dropped, o
		}
	case 2*len(t.closed) > n:
		if o := agreed(t.closed); o != nil {
			return Closed, o
		}
	case 2*t.survived > n:
		return Survived, nil
	}
	return Unknown, nil
}

// An idle time is the same each time: two connections agree on one if they differ by no more than the greater of these. A
// timer that is looked at every second or two is still one; a server that is restarted now and then is none.
const (
	agreeingPart = 10 // a tenth of the longer silence
	agreeing     = 2 * time.Second
)

// agree reports whether one idle time explains two silences.
func agree(shorter, longer time.Duration) bool {
	return longer-shorter <= max(longer/agreeingPart, agreeing)
}

// agreed is the shorter of the first two of ends that agree; nil if none do. ends ascend by After.
func agreed(ends []Observation) *Observation {
	for i := range len(ends) - 1 {
		if agree(ends[i].After, ends[i+1].After) {
			return &ends[i]
		}
	}
	return nil
}

// settled reports whether enough connections had this step: two that agree, or three.
func (t *tally) settled() bool {
	return t.survived >= 2 || agreed(t.lost) != nil || agreed(t.closed) != nil || t.known()+len(t.unknown)+len(t.events) >= 3
}

// clear reports whether nothing but survival is known of this step. After an event something must have survived.
func (t *tally) clear() bool {
	return t.known() == t.survived && (t.survived > 0 || len(t.events) == 0)
}

// An event ends connections at one moment, and so after silences of different length; an idle time ends them after the same
// silence, and so at different moments. Connections that were opened more closely than this cannot tell.
const eventApart = 100 * time.Millisecond

// eventful marks the ends that silence is no cause of: a server that restarts, or a box on the way that loses its table,
// ends several connections together. It is told by the moments of two ends lying less than half as far apart as the
// silences before them.
func eventful(seen []Observation) []bool {
	event := make([]bool, len(seen))
	for i := range seen {
		for j := range i {
			a, b := &seen[i], &seen[j]
			apart := (a.After - b.After).Abs()
			if !a.Ended.IsZero() && !b.Ended.IsZero() && apart >= eventApart && a.Ended.Sub(b.Ended).Abs() < apart/2 {
				event[i], event[j] = true, true
			}
		}
	}
	return event
}

// doubtful is the step to be measured again: the shortest that did not survive, until two connections agree on it. If
// they say that it does survive, the next one is in doubt. A server that was restarted looks like a NAT that forgot,
// but not twice after the same silence.
func doubtful(seen []Observation, steps []time.Duration) (step time.Duration, ok bool) {
	all := tallies(seen)
	for _, t := range all {
		if t.clear() {
			continue
		}
		if !t.settled() {
			return t.sooner(steps, all), true
		}
		if ending, _ := t.ending(); ending == Dropped || ending == Closed {
			return 0, false
		}
	}
	return 0, false
}

// sooner is the least step that shows again what happened to this one, if it is not settled yet: where a connection was
// ended after 110 s of 540 s, one of 120 s will do.
func (t *tally) sooner(steps []time.Duration, all []*tally) time.Duration {
	after := t.step
	for _, ends := range [][]Observation{t.lost, t.closed} {
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

// tallies counts observations by step, in ascending order.
func tallies(seen []Observation) []*tally {
	var out []*tally
	event := eventful(seen)
	for k, o := range seen {
		i := slices.IndexFunc(out, func(t *tally) bool { return t.step == o.Step })
		if i < 0 {
			i = len(out)
			out = append(out, &tally{step: o.Step})
		}
		t := out[i]
		switch {
		case event[k]:
			t.events = append(t.events, o)
		case o.Ending == Survived:
			t.survived++
		case o.Ending == Dropped || o.Ending == Reset:
			t.lost = append(t.lost, o)
		case o.Ending == Closed:
			t.closed = append(t.closed, o)
		case o.Ending == Unknown:
			t.unknown = append(t.unknown, o)
		}
	}
	for _, t := range out {
		slices.SortFunc(t.lost, byAfter)
		slices.SortFunc(t.closed, byAfter)
	}
	slices.SortFunc(out, func(a, b *tally) int { return cmp.Compare(a.step, b.step) })
	return out
}

func byAfter(a, b Observation) int { return cmp.Compare(a.After, b.After) }

// Judge makes bounds of what was seen, in any order. An end counts once two connections agree on the silence before it.
// Where connections contradict each other it takes the side of caution: of one step, the majority counts; of several, Lost
// is the shortest lost and Survived the longest survived below it, however long a silence another connection survived. A
// server's limit that longer silences outlived is none.
func Judge(seen []Observation) Bounds {
	var b Bounds
	f := findings{steps: tallies(seen)}
	for _, t := range f.steps {
		if t.survived > 0 {
			f.longest = t.step
		}
		ending, end := t.ending()
		b.Unsteady = b.Unsteady || t.survived > 0 && t.survived < t.known() || ending == Unknown && t.known() > 1
		if ending == Closed && (f.closed == nil || end.After < f.closed.After) {
			f.closed = end
		}
	}
	if f.closed != nil && f.longest > f.closed.After {
		f.closed, b.Unsteady = nil, true
	}
	for _, t := range f.steps {
		// Past the server's limit the path had nothing left to keep: its loss there is no news.
		if ending, end := t.ending(); ending == Dropped && (f.lost == nil || end.After < f.lost.After) && (f.closed == nil || end.After < f.closed.After) {
			f.lost = end
		}
	}
	if f.lost != nil {
		b.Lost = f.lost.After
		f.longest = max(f.longest, f.outlived())
		b.Unsteady = b.Unsteady || f.longest > b.Lost
	}
	if f.closed != nil {
		b.Closed = f.closed.After
	}
	for _, t := range f.steps {
		if ending, _ := t.ending(); ending == Survived && (f.lost == nil || t.step < b.Lost) {
			b.Survived = t.step
		}
	}
	b.Reason = f.reason(&b)
	f.unexplained = f.countEvents()
	b.Unsteady = b.Unsteady || f.unexplained > 0
	f.open = f.firstOpen(b.Survived)
	b.Why = f.sentence(&b)
	return b
}

// findings is what bounds rest on.
type findings struct {
	steps        []*tally
	longest      time.Duration // silence that any connection lived through
	lost, closed *Observation  // the shortest that count; nil: none
	open         *Observation  // see firstOpen
	unexplained  int           // see countEvents
}

// countEvents counts the ends by events that neither bound explains: a timer that looks every second ends connections
// together too.
func (f *findings) countEvents() (n int) {
	for _, t := range f.steps {
		for _, o := range t.events {
			if !slices.ContainsFunc([]*Observation{f.lost, f.closed}, func(end *Observation) bool {
				return end != nil && agree(min(end.After, o.After), max(end.After, o.After))
			}) {
				n++
			}
		}
	}
	return n
}

// outlived is the longest silence at whose end a connection was still known to somebody who ended it, if that is longer than
// the silence of the loss by more than one idle time explains.
func (f *findings) outlived() (longest time.Duration) {
	for _, t := range f.steps {
		for _, o := range slices.Concat(t.lost, t.closed) {
			if !o.Ended.IsZero() && !agree(f.lost.After, o.After) {
				longest = max(longest, o.After)
			}
		}
	}
	return longest
}

func (f *findings) reason(b *Bounds) report.IdleReason {
	switch {
	case f.lost != nil && f.lost.Ending == Reset:
		return ReasonReset
	case f.lost != nil:
		return ReasonDropped
	case f.closed != nil:
		return ReasonLimit
	case b.Survived > 0:
		return ReasonSurvived
	}
	return ReasonUnknown
}

// firstOpen is a connection that leaves open what a longer silence than is known to survive does: one without a result, or
// one that was ended and that no other agrees with.
func (f *findings) firstOpen(survived time.Duration) *Observation {
	for _, t := range f.steps {
		if t.step <= survived {
			continue
		}
		for _, open := range [][]Observation{t.unknown, t.lost, t.closed, t.events} {
			if len(open) > 0 {
				return &open[0]
			}
		}
	}
	return nil
}
