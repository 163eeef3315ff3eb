package idle

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func saw(step int, ending Ending, after ...int) Observation {
	o := Observation{Step: s(step), After: s(step), Ending: ending, Detail: string(ending)}
	if len(after) > 0 {
		o.After = s(after[0])
	}
	if ending == Unknown {
		o.After = 0
	}
	return o
}

// ended says when, in seconds from the same moment for all, a connection was ended during its silence.
func ended(o Observation, at int) Observation {
	o.Ended = time.Unix(int64(at), 0)
	return o
}

func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		seen []Observation
		want Bounds
	}{
		"nothing": {nil, Bounds{Reason: ReasonUnknown, Why: "not known: nothing was measured"}},
		"a loss without a survivor": {
			[]Observation{saw(60, Reset), saw(30, Unknown), saw(60, Reset)},
			Bounds{Lost: s(60), Reason: ReasonReset, Why: "after 60 s the connection is lost: reset"},
		},
		"a longer silence survives: caution": {
			[]Observation{saw(30, Survived), saw(60, Dropped), saw(60, Dropped), saw(90, Survived)},
			Bounds{Survived: s(30), Lost: s(60), Reason: ReasonDropped, Unsteady: true,
				Why: "a silence of 30 s survives; after 60 s the connection is lost: dropped; not steady: another connection survived 90 s"},
		},
		"two of three lost": {
			[]Observation{saw(30, Survived), saw(60, Dropped), saw(60, Survived), saw(60, Dropped)},
			Bounds{Survived: s(30), Lost: s(60), Reason: ReasonDropped, Unsteady: true,
				Why: "a silence of 30 s survives; after 60 s the connection is lost: dropped; not steady: of 3 connections silent for 60 s, 1 survived"},
		},
		"two of three survived": {
			[]Observation{saw(30, Survived), saw(60, Dropped), saw(60, Survived), saw(60, Survived)},
			Bounds{Survived: s(60), Reason: ReasonSurvived, Unsteady: true,
				Why: "a silence of 60 s survives; not steady: of 3 connections silent for 60 s, 2 survived"},
		},
		"one of two, and the third does not tell": {
			[]Observation{saw(30, Survived), saw(60, Dropped), saw(60, Survived), saw(60, Unknown)},
			Bounds{Survived: s(30), Reason: ReasonSurvived, Unsteady: true,
				Why: "a silence of 30 s survives; longer is not known: unknown; not steady: of 2 connections silent for 60 s, 1 survived"},
		},
		"the server's limit, and a loss past it": {
			[]Observation{saw(30, Survived), saw(60, Closed, 45), saw(60, Closed, 46), saw(90, Dropped), saw(90, Dropped)},
			Bounds{Survived: s(30), Closed: s(45), Reason: ReasonLimit,
				Why: "a silence of 30 s survives; after 45 s the server itself ends the connection (closed), so nothing is known of longer silences"},
		},
		"the path loses before the server's limit": {
			[]Observation{saw(30, Dropped), saw(30, Dropped), saw(60, Closed, 45), saw(60, Closed, 45), saw(90, Dropped)},
			Bounds{Lost: s(30), Closed: s(45), Reason: ReasonDropped,
				Why: "after 30 s the connection is lost: dropped; after 45 s the server itself ends the connection (closed), so nothing is known of longer silences"},
		},
		"a loss that was seen once is none": {
			[]Observation{saw(30, Survived), saw(60, Dropped)},
			Bounds{Survived: s(30), Reason: ReasonSurvived,
				Why: "a silence of 30 s survives; longer is not known: one connection ended after 60 s (dropped), but no other did"},
		},
		"an end by the server that was seen once is none": {
			[]Observation{saw(60, Closed, 45)},
			Bounds{Reason: ReasonUnknown, Why: "not known: one connection ended after 45 s (closed), but no other did"},
		},
		"losses that differ by more than a timer does": {
			[]Observation{saw(30, Survived), saw(60, Reset, 40), saw(60, Reset, 50), saw(60, Survived)},
			Bounds{Survived: s(30), Reason: ReasonSurvived, Unsteady: true,
				Why: "a silence of 30 s survives; longer is not known: one connection ended after 40 s (reset), but no other did; " +
					"not steady: of 3 connections silent for 60 s, 1 survived"},
		},
		"three losses, none like another": {
			[]Observation{saw(60, Reset, 20), saw(60, Reset, 30), saw(60, Reset, 40)},
			Bounds{Reason: ReasonUnknown, Unsteady: true,
				Why: "not known: one connection ended after 20 s (reset), but no other did; " +
					"not steady: 3 connections that were to be silent for 60 s ended after different silences"},
		},
		"three losses, two alike": {
			[]Observation{saw(540, Reset, 200), saw(540, Reset, 300), saw(540, Reset, 329)},
			Bounds{Lost: s(300), Reason: ReasonReset, Why: "after 300 s the connection is lost: reset"},
		},
		"another connection was silent for longer before it was ended": {
			[]Observation{saw(30, Dropped), saw(30, Dropped), ended(saw(90, Reset, 80), 80)},
			Bounds{Lost: s(30), Reason: ReasonDropped, Unsteady: true,
				Why: "after 30 s the connection is lost: dropped; not steady: another connection survived 80 s"},
		},
		"connections that were opened one after the other end at one moment": {
			[]Observation{saw(30, Survived), ended(saw(60, Reset, 50), 52), ended(saw(90, Reset, 48), 52), ended(saw(120, Reset, 46), 52)},
			Bounds{Survived: s(30), Reason: ReasonSurvived, Unsteady: true,
				Why: "a silence of 30 s survives; longer is not known: one connection ended after 50 s (reset), but no other did; not steady: " +
					"3 connections ended at one moment, after silences of different length, so that something else than silence ended them, such as a restart"},
		},
		"and end after the same silence when they are opened again": {
			[]Observation{saw(30, Survived), ended(saw(60, Reset, 50), 52), ended(saw(90, Reset, 48), 52), ended(saw(60, Reset, 50), 110), ended(saw(60, Reset, 51), 170)},
			Bounds{Survived: s(30), Lost: s(50), Reason: ReasonReset, Why: "a silence of 30 s survives; after 50 s the connection is lost: reset"},
		},
		"connections that were opened one after the other end one after the other": {
			[]Observation{saw(30, Survived), ended(saw(60, Closed, 50), 52), ended(saw(90, Closed, 50), 54), ended(saw(60, Closed, 50), 104)},
			Bounds{Survived: s(30), Closed: s(50), Reason: ReasonLimit,
				Why: "a silence of 30 s survives; after 50 s the server itself ends the connection (closed), so nothing is known of longer silences"},
		},
		"a limit that longer silences outlive is none": {
			[]Observation{saw(30, Survived), saw(60, Closed, 45), saw(60, Closed, 46), saw(90, Survived)},
			Bounds{Survived: s(90), Reason: ReasonSurvived, Unsteady: true,
				Why: "a silence of 90 s survives; not steady: another connection survived 90 s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				if got := Judge(test.seen); got != test.want {
					t.Errorf("of %v\ngot  %+v\nwant %+v", test.seen, got, test.want)
				}
				rand.Shuffle(len(test.seen), func(i, j int) { test.seen[i], test.seen[j] = test.seen[j], test.seen[i] })
			}
		})
	}
}

func TestBoundsNeverContradictThemselves(t *testing.T) {
	observation := rapid.Custom(func(t *rapid.T) Observation {
		o := Observation{
			Step:   rapid.SampledFrom(steps()).Draw(t, "step"),
			Ending: rapid.SampledFrom([]Ending{Unknown, Survived, Dropped, Reset, Closed}).Draw(t, "ending"),
		}
		if o.After = o.Step; o.Ending == Reset || o.Ending == Closed {
			o.After = time.Duration(rapid.Int64Range(1, int64(o.Step)).Draw(t, "after"))
			o.Ended = time.Unix(0, rapid.Int64Range(1, int64(2*o.Step)).Draw(t, "ended"))
		}
		return o
	})
	rapid.Check(t, func(t *rapid.T) {
		seen := rapid.SliceOfN(observation, 0, 40).Draw(t, "seen")
		b := Judge(seen)
		if b.Lost > 0 && (b.Survived >= b.Lost || b.Closed > 0 && b.Closed <= b.Lost) || b.Closed > 0 && b.Survived > b.Closed {
			t.Errorf("survived %v, lost %v, closed %v", b.Survived, b.Lost, b.Closed)
		}
		if b.Why == "" || (b.Reason == ReasonUnknown) != (b.Survived == 0 && b.Lost == 0 && b.Closed == 0) {
			t.Errorf("reason %q, %q of %+v", b.Reason, b.Why, b)
		}
		for step := time.Second; step < 600*time.Second; step += time.Second {
			if shorter, longer := b.Carries(step), b.Carries(step+time.Second); shorter == NotCarried && longer == Carried {
				t.Errorf("%v is not carried, %v is", step, step+time.Second)
			}
		}
	})
}

// TestConfirmationEnds draws the endings of every connection at random: no step is asked for more than three times.
func TestConfirmationEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		endings := rapid.SliceOfN(rapid.SampledFrom([]Ending{Unknown, Survived, Dropped, Reset, Closed}), 100, 100).Draw(t, "endings")
		var seen []Observation
		for i := 0; ; i++ {
			step, more := doubtful(seen, steps())
			if i < len(steps()) {
				step = steps()[i]
			} else if !more {
				break
			}
			o := Observation{Step: step, After: step, Ending: endings[i]}
			if o.Ending == Closed || o.Ending == Reset {
				o.After = time.Duration(rapid.Int64Range(1, int64(o.Step)).Draw(t, "after"))
				o.Ended = time.Unix(0, rapid.Int64Range(1, int64(2*o.Step)).Draw(t, "ended"))
			}
			if seen = append(seen, o); len(seen) > 3*len(steps()) {
				t.Fatalf("%d connections: %v", len(seen), seen)
			}
		}
		if !slices.ContainsFunc(seen, func(o Observation) bool { return o.Ending != Survived }) && len(seen) != len(steps()) {
			t.Errorf("%d connections though all survived", len(seen))
		}
	})
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		540 * time.Second: "540 s", 240*time.Second + 31*time.Millisecond: "240 s", 90 * time.Minute: "5400 s",
		1250 * time.Millisecond: "1.25 s", 301 * time.Millisecond: "0.3 s", 9999 * time.Millisecond: "10 s",
	} {
		if got := Seconds(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
