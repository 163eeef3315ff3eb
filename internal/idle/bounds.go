package idle

import (
	"cmp"
	"slices"
	"time"
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
}

// Reason is the one word for a round's result: a closed list.
type Reason string

const (
	ReasonUnknown  Reason = "unknown"      // nothing was learned
	ReasonSurvived Reason = "survived"     // every silence that has a result survived
	ReasonDropped  Reason = "dropped"      // the path drops silent connections without a word
	ReasonReset    Reason = "reset"        // silent connections are cut by RST
	ReasonLimit    Reason = "server_limit" // the server itself ends silent connections
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
	Reason Reason
	// Unsteady: a silence was both survived and not, or a longer one survived than one that did not.
	Unsteady bool
	// Why says it in words.
	Why string
}

// tally is what all connections with one step showed.
type tally struct {
	step                   time.Duration
	survived, lost, closed int
	unknown                int
	loss, close            Observation // the one after the shortest silence of each
}

// known counts the connections with a result.
func (t *tally) known() int { return t.survived + t.lost + t.closed }

// ending is what most connections of this step showed; Unknown if none has a majority. A loss is any that is not the
// server's own doing, and is said as Dropped.
func (t *tally) ending() Ending {
	switch n := t.known(); {
	case 2*t.lost > n:
		return Dropped
	case 2*t.closed > n:
		return Closed
	case 2*t.survived > n:
		return Survived
	}
	return Unknown
}

// settled reports whether enough connections had this step: two that agree, or three.
func (t *tally) settled() bool {
	return max(t.survived, t.lost, t.closed) >= 2 || t.known()+t.unknown >= 3
}

// doubtful is the step to be measured again: the shortest that did not survive, until two connections agree on it. If
// they say that it does survive, the next one is in doubt. A server that was restarted looks like a NAT that forgot,
// but not twice.
func doubtful(seen []Observation, steps []time.Duration) (step time.Duration, ok bool) {
	all := tallies(seen)
	for _, t := range all {
		switch {
		case t.known() == t.survived:
		case !t.settled():
			return t.sooner(steps, all), true
		case t.ending() == Dropped || t.ending() == Closed:
			return 0, false
		}
	}
	return 0, false
}

// sooner is the least step that shows again what happened to this one, if it is not settled yet: where a connection was
// ended after 110 s of 540 s, one of 120 s will do.
func (t *tally) sooner(steps []time.Duration, all []*tally) time.Duration {
	after := t.step
	for _, o := range []Observation{t.loss, t.close} {
		if o.Ending != "" {
			after = min(after, o.After)
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
	for _, o := range seen {
		i := slices.IndexFunc(out, func(t *tally) bool { return t.step == o.Step })
		if i < 0 {
			i = len(out)
			out = append(out, &tally{step: o.Step})
		}
		t := out[i]
		switch o.Ending {
		case Survived:
			t.survived++
		case Dropped, Reset:
			if t.lost++; t.lost == 1 || o.After < t.loss.After {
				t.loss = o
			}
		case Closed:
			if t.closed++; t.closed == 1 || o.After < t.close.After {
				t.close = o
			}
		case Unknown:
			t.unknown++
		}
	}
	slices.SortFunc(out, func(a, b *tally) int { return cmp.Compare(a.step, b.step) })
	return out
}

// Judge makes bounds of what was seen, in any order. Where connections contradict each other it takes the side of
// caution: of one step, the majority counts; of several, Lost is the shortest lost and Survived the longest survived below
// it, however long a silence another connection survived. A server's limit that longer silences outlived is none.
func Judge(seen []Observation) Bounds {
	var b Bounds
	var longest time.Duration // survived by any connection
	var lost, closed *tally
	steps := tallies(seen)
	for _, t := range steps {
		if t.survived > 0 {
			longest = t.step
		}
		b.Unsteady = b.Unsteady || t.survived > 0 && t.survived < t.known()
		if t.ending() == Closed && (closed == nil || t.close.After < closed.close.After) {
			closed = t
		}
	}
	if closed != nil && longest > closed.close.After {
		closed, b.Unsteady = nil, true
	}
	for _, t := range steps {
		// Past the server's limit the path had nothing left to keep: its loss there is no news.
		if t.ending() == Dropped && (lost == nil || t.loss.After < lost.loss.After) && (closed == nil || t.loss.After < closed.close.After) {
			lost = t
		}
	}
	if lost != nil {
		b.Lost = lost.loss.After
		b.Unsteady = b.Unsteady || longest > b.Lost
	}
	if closed != nil {
		b.Closed = closed.close.After
	}
	for _, t := range steps {
		if t.ending() == Survived && (lost == nil || t.step < b.Lost) {
			b.Survived = t.step
		}
	}
	b.Reason = b.reason(lost, closed)
	b.Why = b.sentence(lost, closed, steps, longest, firstUnknown(seen, b.Survived))
	return b
}

func (b *Bounds) reason(lost, closed *tally) Reason {
	switch {
	case lost != nil && lost.loss.Ending == Reset:
		return ReasonReset
	case lost != nil:
		return ReasonDropped
	case closed != nil:
		return ReasonLimit
	case b.Survived > 0:
		return ReasonSurvived
	}
	return ReasonUnknown
}

// firstUnknown is the first connection without a result that kept, or was to keep, a silence longer than is known to survive.
func firstUnknown(seen []Observation, survived time.Duration) *Observation {
	i := slices.IndexFunc(seen, func(o Observation) bool { return o.Ending == Unknown && o.Step > survived })
	if i < 0 {
		return nil
	}
	return &seen[i]
}
