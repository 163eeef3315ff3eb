package idle

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// how is the fact that the tests give for an ending.
var how = map[report.IdleEnding]report.IdleFact{
	report.IdleUnknown: {Kind: report.IdlePingUnanswered},
	report.IdleDropped: {Kind: report.IdleNoAnswer},
	report.IdleReset:   {Kind: report.IdleRSTDuring},
	report.IdleClosed:  {Kind: report.IdleFIN},
}

// observed is an observation with times in seconds; after is the step unless it is given.
func observed(step int, ending report.IdleEnding, after ...int) report.IdleObservation {
	o := report.IdleObservation{Step: s(step), After: s(step), Ending: ending, How: how[ending]}
	if len(after) > 0 {
		o.After = s(after[0])
	}
	if ending == report.IdleUnknown {
		o.After = 0
	}
	return o
}

// ended sets when a connection was ended during its silence, in seconds from one moment for all.
func ended(o report.IdleObservation, at int) report.IdleObservation {
	o.Ended = time.Unix(int64(at), 0)
	return o
}

func TestJudge(t *testing.T) {
	const survived, unknown, dropped, reset, closed = report.IdleSurvived, report.IdleUnknown, report.IdleDropped, report.IdleReset, report.IdleClosed
	single := func(ending report.IdleEnding, after int) report.IdleOpen {
		return report.IdleOpen{Fact: how[ending], After: s(after)}
	}
	for name, test := range map[string]struct {
		observations []report.IdleObservation
		want         report.IdleBounds
	}{
		"no observations: nothing measured": {nil,
			report.IdleBounds{Reason: report.IdleReasonUnknown, Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleNothingMeasured}}}},
		"two losses, no survival: lost": {
			[]report.IdleObservation{observed(60, reset), observed(30, unknown), observed(60, reset)},
			report.IdleBounds{Lost: s(60), LostBy: how[reset], Reason: report.IdleReasonReset}},
		"longer silence survives: lost, unsteady": {
			[]report.IdleObservation{observed(30, survived), observed(60, dropped), observed(60, dropped), observed(90, survived)},
			report.IdleBounds{Survived: s(30), Lost: s(60), LostBy: how[dropped], Reason: report.IdleReasonDropped,
				Unsteady: report.IdleUnsteady{Kind: report.IdleLongerSurvived, Silence: s(90)}}},
		"two of three lost: lost, unsteady": {
			[]report.IdleObservation{observed(30, survived), observed(60, dropped), observed(60, survived), observed(60, dropped)},
			report.IdleBounds{Survived: s(30), Lost: s(60), LostBy: how[dropped], Reason: report.IdleReasonDropped,
				Unsteady: report.IdleUnsteady{Kind: report.IdleSomeSurvived, Connections: 3, Survived: 1, Silence: s(60)}}},
		"two of three survived: survived, unsteady": {
			[]report.IdleObservation{observed(30, survived), observed(60, dropped), observed(60, survived), observed(60, survived)},
			report.IdleBounds{Survived: s(60), Reason: report.IdleReasonSurvived,
				Unsteady: report.IdleUnsteady{Kind: report.IdleSomeSurvived, Connections: 3, Survived: 2, Silence: s(60)}}},
		"one of two survived, the third unknown: open": {
			[]report.IdleObservation{observed(30, survived), observed(60, dropped), observed(60, survived), observed(60, unknown)},
			report.IdleBounds{Survived: s(30), Reason: report.IdleReasonSurvived, Open: report.IdleOpen{Fact: how[unknown]},
				Unsteady: report.IdleUnsteady{Kind: report.IdleSomeSurvived, Connections: 2, Survived: 1, Silence: s(60)}}},
		"loss beyond the server's limit: closed": {
			[]report.IdleObservation{observed(30, survived), observed(60, closed, 45), observed(60, closed, 46), observed(90, dropped), observed(90, dropped)},
			report.IdleBounds{Survived: s(30), Closed: s(45), ClosedBy: how[closed], Reason: report.IdleReasonLimit}},
		"loss before the server's limit: lost and closed": {
			[]report.IdleObservation{observed(30, dropped), observed(30, dropped), observed(60, closed, 45), observed(60, closed, 45), observed(90, dropped)},
			report.IdleBounds{Lost: s(30), LostBy: how[dropped], Closed: s(45), ClosedBy: how[closed], Reason: report.IdleReasonDropped}},
		"single loss: open": {
			[]report.IdleObservation{observed(30, survived), observed(60, dropped)},
			report.IdleBounds{Survived: s(30), Reason: report.IdleReasonSurvived, Open: single(dropped, 60)}},
		"single end by the server: open": {
			[]report.IdleObservation{observed(60, closed, 45)},
			report.IdleBounds{Reason: report.IdleReasonUnknown, Open: single(closed, 45)}},
		"losses differ by more than the tolerance: open, unsteady": {
			[]report.IdleObservation{observed(30, survived), observed(60, reset, 40), observed(60, reset, 50), observed(60, survived)},
			report.IdleBounds{Survived: s(30), Reason: report.IdleReasonSurvived, Open: single(reset, 40),
				Unsteady: report.IdleUnsteady{Kind: report.IdleSomeSurvived, Connections: 3, Survived: 1, Silence: s(60)}}},
		"three losses, none agree: open, unsteady": {
			[]report.IdleObservation{observed(60, reset, 20), observed(60, reset, 30), observed(60, reset, 40)},
			report.IdleBounds{Reason: report.IdleReasonUnknown, Open: single(reset, 20),
				Unsteady: report.IdleUnsteady{Kind: report.IdleEndsDiffer, Connections: 3, Silence: s(60)}}},
		"three losses, two agree: lost": {
			[]report.IdleObservation{observed(540, reset, 200), observed(540, reset, 300), observed(540, reset, 329)},
			report.IdleBounds{Lost: s(300), LostBy: how[reset], Reason: report.IdleReasonReset}},
		"another connection ended later than the loss: unsteady": {
			[]report.IdleObservation{observed(30, dropped), observed(30, dropped), ended(observed(90, reset, 80), 80)},
			report.IdleBounds{Lost: s(30), LostBy: how[dropped], Reason: report.IdleReasonDropped,
				Unsteady: report.IdleUnsteady{Kind: report.IdleLongerSurvived, Silence: s(80)}}},
		"ends at one moment: an event, not a loss": {
			[]report.IdleObservation{observed(30, survived), ended(observed(60, reset, 50), 52), ended(observed(90, reset, 48), 52), ended(observed(120, reset, 46), 52)},
			report.IdleBounds{Survived: s(30), Reason: report.IdleReasonSurvived, Open: single(reset, 50),
				Unsteady: report.IdleUnsteady{Kind: report.IdleEndedTogether, Connections: 3}}},
		"ends at one moment, then after the same silence: lost": {
			[]report.IdleObservation{observed(30, survived), ended(observed(60, reset, 50), 52), ended(observed(90, reset, 48), 52),
				ended(observed(60, reset, 50), 110), ended(observed(60, reset, 51), 170)},
			report.IdleBounds{Survived: s(30), Lost: s(50), LostBy: how[reset], Reason: report.IdleReasonReset}},
		"ends after one silence at different moments: closed": {
			[]report.IdleObservation{observed(30, survived), ended(observed(60, closed, 50), 52), ended(observed(90, closed, 50), 54), ended(observed(60, closed, 50), 104)},
			report.IdleBounds{Survived: s(30), Closed: s(50), ClosedBy: how[closed], Reason: report.IdleReasonLimit}},
		"longer silence outlives the server's limit: survived, unsteady": {
			[]report.IdleObservation{observed(30, survived), observed(60, closed, 45), observed(60, closed, 46), observed(90, survived)},
			report.IdleBounds{Survived: s(90), Reason: report.IdleReasonSurvived,
				Unsteady: report.IdleUnsteady{Kind: report.IdleLongerSurvived, Silence: s(90)}}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				if got := Judge(test.observations); got != test.want {
					t.Errorf("of %v\ngot  %+v\nwant %+v", test.observations, got, test.want)
				}
				// The order must not matter.
				rand.Shuffle(len(test.observations), func(i, j int) {
					test.observations[i], test.observations[j] = test.observations[j], test.observations[i]
				})
			}
		})
	}
}

func TestJudgeNeverContradictsItself(t *testing.T) {
	observation := rapid.Custom(func(t *rapid.T) report.IdleObservation {
		o := report.IdleObservation{
			Step:   rapid.SampledFrom(steps()).Draw(t, "step"),
			Ending: rapid.SampledFrom([]report.IdleEnding{report.IdleUnknown, report.IdleSurvived, report.IdleDropped, report.IdleReset, report.IdleClosed}).Draw(t, "ending"),
		}
		if o.After = o.Step; o.Ending == report.IdleReset || o.Ending == report.IdleClosed {
			o.After = time.Duration(rapid.Int64Range(1, int64(o.Step)).Draw(t, "after"))
			o.Ended = time.Unix(0, rapid.Int64Range(1, int64(2*o.Step)).Draw(t, "ended"))
		}
		if o.How = how[o.Ending]; o.Ending == report.IdleUnknown {
			o.After = 0
		}
		return o
	})
	rapid.Check(t, func(t *rapid.T) {
		observations := rapid.SliceOfN(observation, 0, 40).Draw(t, "observations")
		b := Judge(observations)
		if b.Lost > 0 && (b.Survived >= b.Lost || b.Closed > 0 && b.Closed <= b.Lost) || b.Closed > 0 && b.Survived > b.Closed {
			t.Errorf("survived %v, lost %v, closed %v", b.Survived, b.Lost, b.Closed)
		}
		if known := b.Survived > 0 || b.Lost > 0 || b.Closed > 0; (b.Reason != report.IdleReasonUnknown) != known {
			t.Errorf("reason %q of %+v", b.Reason, b)
		}
		if b.Lost > 0 != (b.LostBy != report.IdleFact{}) || b.Closed > 0 != (b.ClosedBy != report.IdleFact{}) || b.Reason == report.IdleReasonUnknown && b.Open == (report.IdleOpen{}) && b.Unsteady == (report.IdleUnsteady{}) {
			t.Errorf("a bound without its fact: %+v", b)
		}
		for step := time.Second; step < 600*time.Second; step += time.Second {
			if shorter, longer := Survival(&b, step), Survival(&b, step+time.Second); shorter == report.DoesNotSurvive && longer == report.Survives {
				t.Errorf("%v does not survive, %v does", step, step+time.Second)
			}
		}
	})
}

// TestConfirmationEnds draws the ending of every connection at random: no step is measured more than three times.
func TestConfirmationEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		endings := rapid.SliceOfN(rapid.SampledFrom([]report.IdleEnding{report.IdleUnknown, report.IdleSurvived, report.IdleDropped, report.IdleReset, report.IdleClosed}), 100, 100).Draw(t, "endings")
		var observations []report.IdleObservation
		for i := 0; ; i++ {
			step, more := unconfirmed(observations, steps())
			if i < len(steps()) {
				step = steps()[i]
			} else if !more {
				break
			}
			o := report.IdleObservation{Step: step, After: step, Ending: endings[i]}
			if o.Ending == report.IdleClosed || o.Ending == report.IdleReset {
				o.After = time.Duration(rapid.Int64Range(1, int64(o.Step)).Draw(t, "after"))
				o.Ended = time.Unix(0, rapid.Int64Range(1, int64(2*o.Step)).Draw(t, "ended"))
			}
			if observations = append(observations, o); len(observations) > 3*len(steps()) {
				t.Fatalf("%d connections: %v", len(observations), observations)
			}
		}
		if !slices.ContainsFunc(observations, func(o report.IdleObservation) bool { return o.Ending != report.IdleSurvived }) && len(observations) != len(steps()) {
			t.Errorf("%d connections though all survived", len(observations))
		}
	})
}
