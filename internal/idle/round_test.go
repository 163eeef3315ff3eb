package idle

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

func s(n int) time.Duration { return time.Duration(n) * time.Second }

// measure runs one round in a bubble of its own and says how long it took there.
func measure(t *testing.T, w *world, target path.Target) (r Result, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r = (&Round{Open: w.session, Target: target, Steps: steps(), Parallel: len(steps())}).Run(t.Context())
		took = time.Since(began)
		if open, most, _ := w.count(); open != 0 || most > len(steps()) {
			t.Errorf("%d sessions left open, %d at once", open, most)
		}
	})
	return r, took
}

func near(a, b time.Duration) bool { return (a - b).Abs() < time.Second }

func TestRound(t *testing.T) {
	const udp, tcp = measurement.UDP, measurement.TCP
	for name, test := range map[string]struct {
		world     *world
		transport measurement.Transport
		proof     Proof
		want      Bounds
		took      time.Duration
	}{
		"all survives": {&world{}, tcp, ByPing,
			Bounds{Survived: s(540), Reason: ReasonSurvived, Why: "a silence of 540 s survives"}, s(540)},
		"all survives over UDP": {&world{}, udp, ByPing,
			Bounds{Survived: s(540), Reason: ReasonSurvived, Why: "a silence of 540 s survives"}, s(540)},
		"a NAT drops without a word": {&world{forgets: always(s(200)), manner: Dropped}, tcp, ByPing,
			Bounds{Survived: s(180), Lost: s(240), Reason: ReasonDropped,
				Why: "a silence of 180 s survives; after 240 s the connection is lost: dropped without a word, while a fresh connection is answered"}, s(540 + 15)},
		"a NAT drops over UDP": {&world{forgets: always(s(31)), manner: Dropped}, udp, ByPing,
			Bounds{Survived: s(30), Lost: s(60), Reason: ReasonDropped,
				Why: "a silence of 30 s survives; after 60 s the connection is lost: dropped without a word, while a fresh connection is answered"}, s(540 + 15)},
		"a NAT answers with RST": {&world{forgets: always(s(351)), manner: Reset}, tcp, ByPing,
			Bounds{Survived: s(350), Lost: s(540), Reason: ReasonReset,
				Why: "a silence of 350 s survives; after 540 s the connection is lost: RST in answer to what was sent after it"}, s(1080)},
		"a balancer resets in the silence": {&world{forgets: always(s(250)), early: true}, tcp, ByPing,
			Bounds{Survived: s(240), Lost: s(250), Reason: ReasonReset,
				Why: "a silence of 240 s survives; after 250 s the connection is lost: RST during the silence"}, s(500)},
		"nothing survives": {&world{forgets: always(s(10)), manner: Dropped}, tcp, ByPing,
			Bounds{Lost: s(30), Reason: ReasonDropped,
				Why: "after 30 s the connection is lost: dropped without a word, while a fresh connection is answered"}, s(540 + 15)},
		"the server closes": {&world{limit: always(s(110))}, tcp, ByPing,
			Bounds{Survived: s(100), Closed: s(110), Reason: ReasonLimit,
				Why: "a silence of 100 s survives; after 110 s the server itself ends the connection (FIN), so nothing is known of longer silences"}, s(220)},
		"the server takes its leave": {&world{limit: always(s(110)), alert: true}, udp, ByPing,
			Bounds{Survived: s(100), Closed: s(110), Reason: ReasonLimit,
				Why: "a silence of 100 s survives; after 110 s the server itself ends the connection (close_notify), so nothing is known of longer silences"}, s(220)},
		"the server's limit is below the NAT's": {&world{limit: always(s(70)), forgets: always(s(200)), manner: Dropped}, tcp, ByPing,
			Bounds{Survived: s(60), Closed: s(70), Reason: ReasonLimit,
				Why: "a silence of 60 s survives; after 70 s the server itself ends the connection (FIN), so nothing is known of longer silences"}, s(140)},
		"the NAT forgets before the server's limit": {&world{limit: always(s(200)), forgets: always(s(70)), manner: Dropped}, tcp, ByPing,
			Bounds{Survived: s(60), Lost: s(90), Reason: ReasonDropped,
				Why: "a silence of 60 s survives; after 90 s the connection is lost: dropped without a word, while a fresh connection is answered"}, s(540 + 15)},
		"no pong: the hello shows it": {&world{mute: true, forgets: always(s(200)), manner: Dropped}, tcp, ByHello,
			Bounds{Survived: s(180), Lost: s(240), Reason: ReasonDropped,
				Why: "a silence of 180 s survives; after 240 s the connection is lost: dropped without a word, while a fresh connection is answered"}, s(540 + 15)},
		"an alert is an answer": {&world{hello: measurement.Alert}, tcp, ByHello,
			Bounds{Survived: s(540), Reason: ReasonSurvived, Why: "a silence of 540 s survives"}, s(540)},
		"no pong over UDP": {&world{mute: true}, udp, "",
			Bounds{Reason: ReasonUnknown,
				Why: "not known: over UDP only a CoAP ping in a finished session shows that it is alive, and the server does not answer it"}, s(15)},
		"the path is dead": {&world{down: func() bool { return true }}, tcp, "",
			Bounds{Reason: ReasonUnknown, Why: "not known: no connection: as the test has it"}, s(0)},
		"the hello is reset": {&world{hello: measurement.Reset}, tcp, "",
			Bounds{Reason: ReasonUnknown, Why: "not known: the hello is not answered: as the test has it"}, s(0)},
		"somebody else answers after the silence": {&world{other: func(silent time.Duration) measurement.Failure {
			if silent > s(200) {
				return measurement.HTTP
			}
			return measurement.Alert
		}}, tcp, ByHello,
			Bounds{Survived: s(180), Reason: ReasonSurvived,
				Why: "a silence of 180 s survives; longer is not known: the hello was answered in another way than without a silence: as the test has it"}, s(540)},
	} {
		t.Run(name, func(t *testing.T) {
			r, took := measure(t, test.world, targetTo("192.0.2.1:5684", test.transport))
			got := r.Bounds
			if !near(got.Lost, test.want.Lost) || !near(got.Closed, test.want.Closed) {
				t.Errorf("lost after %v, closed after %v; want %v, %v", got.Lost, got.Closed, test.want.Lost, test.want.Closed)
			}
			got.Lost, got.Closed = test.want.Lost, test.want.Closed
			if got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if r.Proof != test.proof || !r.Whole {
				t.Errorf("proof %q, whole %v; want %q", r.Proof, r.Whole, test.proof)
			}
			if took > test.took+s(20) {
				t.Errorf("took %v, want about %v", took, test.took)
			}
		})
	}
}

// TestARestartOfTheServerIsNoNAT ends every connection once: the repetition shows that silence was not the cause.
func TestARestartOfTheServerIsNoNAT(t *testing.T) {
	restart := func(n int) time.Duration {
		if n <= 1+len(steps()) { // those of the first hour
			return s(200)
		}
		return 0
	}
	for name, w := range map[string]*world{
		"by RST": {forgets: restart, manner: Reset},
		"by FIN": {limit: restart},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := measure(t, w, targetTo("192.0.2.1:5684", measurement.TCP))
			if b := r.Bounds; b.Survived != s(540) || b.Lost != 0 || b.Closed != 0 || !b.Unsteady || b.Reason != ReasonSurvived {
				t.Errorf("%+v, want 540 s survived, unsteady", b)
			}
		})
	}
}

// TestRestartsOneAfterTheOtherAreNoIdleTime ends every connection more than once. Those that are opened at the usual pace then
// end at one moment after different silences, and those that are opened again after yet others.
func TestRestartsOneAfterTheOtherAreNoIdleTime(t *testing.T) {
	for name, test := range map[string]struct {
		restarts, steps []time.Duration
	}{
		"within seconds": {[]time.Duration{s(6), s(14)}, []time.Duration{s(2), s(8), s(10), s(12)}},
		"within minutes": {[]time.Duration{s(300), s(620)}, steps()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{restarts: test.restarts}
				r := (&Round{Open: w.session, Target: targetTo("192.0.2.1:5684", measurement.TCP), Steps: test.steps, Parallel: len(test.steps),
					Turn: Turns(OpeningPace)}).Run(t.Context())
				b := r.Bounds
				if b.Lost != 0 || b.Closed != 0 || !b.Unsteady || b.Survived != slices.Max(test.steps) || !strings.Contains(b.Why, "such as a restart") {
					t.Errorf("%+v of %v", b, r.Seen)
				}
			})
		})
	}
}

// TestAFlappingNAT forgets every second connection: caution takes the loss that was seen more often than not.
func TestAFlappingNAT(t *testing.T) {
	w := &world{manner: Dropped, forgets: func(n int) time.Duration {
		if n%2 == 0 {
			return s(100)
		}
		return 0
	}}
	r, _ := measure(t, w, targetTo("192.0.2.1:5684", measurement.TCP))
	b := r.Bounds
	if !b.Unsteady || b.Survived == 0 || b.Lost == 0 || b.Survived >= b.Lost || b.Reason != ReasonDropped || !strings.Contains(b.Why, "not steady") {
		t.Errorf("%+v from %v", b, r.Seen)
	}
}

// TestALostPingIsNotBlamedOnSilence loses the ping after one silence, and a path that is down after another.
func TestALostPingIsNotBlamedOnSilence(t *testing.T) {
	t.Run("a ping is lost once", func(t *testing.T) {
		lost := false
		w := &world{slip: func(_ int, silent time.Duration) error {
			if silent < s(100) || lost {
				return nil
			}
			lost = true
			return path.ErrNoPong
		}}
		r, _ := measure(t, w, targetTo("192.0.2.1:5684", measurement.UDP))
		if b := r.Bounds; b.Lost != 0 || b.Survived != s(540) || !b.Unsteady {
			t.Errorf("%+v, want nothing lost", b)
		}
	})
	t.Run("pings after long silences are never sent in time", func(t *testing.T) {
		w := &world{slip: func(_ int, silent time.Duration) error {
			if silent < s(100) {
				return nil
			}
			return path.ErrUnsent
		}}
		r, _ := measure(t, w, targetTo("192.0.2.1:5684", measurement.TCP))
		if b := r.Bounds; b.Lost != 0 || b.Survived >= s(100) || b.Reason != ReasonSurvived || !strings.Contains(b.Why, "longer is not known: the ping could not be sent in time") {
			t.Errorf("%+v, want nothing lost and nothing known of more", b)
		}
	})
	t.Run("the path goes down", func(t *testing.T) {
		var began time.Time
		w := &world{down: func() bool {
			if began.IsZero() {
				began = time.Now()
			}
			return time.Since(began) > s(150)
		}}
		r, _ := measure(t, w, targetTo("192.0.2.1:5684", measurement.TCP))
		b := r.Bounds
		if b.Lost != 0 || b.Survived != s(120) || b.Reason != ReasonSurvived || !strings.Contains(b.Why, "longer is not known: the path is down") {
			t.Errorf("%+v, want 120 s survived and nothing known of more", b)
		}
	})
}

func TestARoundThatIsInterruptedSaysWhatItSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), s(95))
		defer cancel()
		w := &world{}
		var last Progress
		r := (&Round{Open: w.session, Target: targetTo("192.0.2.1:5684", measurement.TCP), Steps: steps(), Parallel: len(steps()),
			Progress: func(p Progress) { last = p }}).Run(ctx)
		if r.Whole || r.Bounds.Survived != s(90) || last.Done != 3 || last.Silent != 0 {
			t.Errorf("whole %v, %+v, %+v", r.Whole, r.Bounds, last)
		}
		if open, _, _ := w.count(); open != 0 {
			t.Errorf("%d sessions left open", open)
		}
	})
}

// TestTheEndIsForetold holds the end that a round foretells against when it comes: a loss, its control, and the repetition.
func TestTheEndIsForetold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{forgets: always(s(200)), manner: Dropped}
		var foretold []time.Time
		r := (&Round{Open: w.session, Target: targetTo("192.0.2.1:5684", measurement.TCP), Steps: []time.Duration{s(30), s(540)}, Parallel: 2,
			Progress: func(p Progress) {
				if p.Silent > 0 {
					foretold = append(foretold, p.Ends)
				} else if now := time.Now(); !p.Ends.IsZero() || foretold[len(foretold)-1].Before(now) {
					t.Errorf("%v foretold, now %v: %+v", foretold, now, p)
				}
			}}).Run(t.Context())
		if len(foretold) != 4 || !foretold[1].Equal(foretold[2]) || foretold[3].Sub(foretold[2]) < s(540) {
			t.Errorf("foretold %v, of %v", foretold, r.Seen)
		}
	})
}

func TestFewerConnectionsThanStepsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, freed := &world{forgets: always(s(200)), manner: Dropped}, 0
		r := (&Round{Open: w.session, Target: targetTo("192.0.2.1:5684", measurement.TCP), Steps: steps(), Parallel: 1,
			Freed: func() { freed++ }}).Run(t.Context())
		if _, most, _ := w.count(); most != 1 || freed != 1 || r.Bounds.Survived != s(180) || !near(r.Bounds.Lost, s(240)) {
			t.Errorf("%d at once, freed %d times, %+v", most, freed, r.Bounds)
		}
	})
}

func TestWhatTheConfigurationForbidsIsNotTried(t *testing.T) {
	for name, forbid := range map[string]func(*path.Target){
		"finish": func(t *path.Target) { t.Finish = false },
		"ping":   func(t *path.Target) { t.Ping = false },
	} {
		t.Run(name, func(t *testing.T) {
			target := targetTo("192.0.2.1:5684", measurement.TCP)
			forbid(&target)
			if r, _ := measure(t, &world{}, target); r.Proof != ByHello || r.Bounds.Survived != s(540) {
				t.Errorf("over TCP: proof %q, %+v", r.Proof, r.Bounds)
			}
			target.Transport = measurement.UDP
			if r, _ := measure(t, &world{}, target); r.Proof != "" || r.Bounds.Reason != ReasonUnknown || !strings.Contains(r.Bounds.Why, "the configuration forbids") {
				t.Errorf("over UDP: proof %q, %+v", r.Proof, r.Bounds)
			}
		})
	}
}
