package idle

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func s(n int) time.Duration { return time.Duration(n) * time.Second }

// measure runs one round in a bubble. took is in virtual time.
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
	endedBy := func(kind report.IdleKind) report.IdleFact { return report.IdleFact{Kind: kind} }
	scripted := measurement.Detail{Text: "as scripted"}
	survived := report.IdleBounds{Survived: s(540), Reason: report.IdleReasonSurvived}
	unknown := func(f report.IdleFact) report.IdleBounds {
		return report.IdleBounds{Reason: report.IdleReasonUnknown, Open: report.IdleOpen{Fact: f}}
	}
	const byPing, byHello, dropped, reset = report.IdleByPing, report.IdleByHello, report.IdleDropped, report.IdleReset
	for name, test := range map[string]struct {
		world     *world
		transport measurement.Transport
		proof     report.IdleProof
		want      report.IdleBounds
		took      time.Duration
	}{
		"TCP, no timeout: survived": {&world{}, tcp, byPing, survived, s(540)},
		"UDP, no timeout: survived": {&world{}, udp, byPing, survived, s(540)},
		"TCP, NAT drops: dropped": {&world{forgets: always(s(200)), manner: dropped}, tcp, byPing,
			report.IdleBounds{Survived: s(180), Lost: s(240), LostBy: endedBy(report.IdleNoAnswer), Reason: report.IdleReasonDropped}, s(540 + 15)},
		"UDP, NAT drops: dropped": {&world{forgets: always(s(31)), manner: dropped}, udp, byPing,
			report.IdleBounds{Survived: s(30), Lost: s(60), LostBy: endedBy(report.IdleNoAnswer), Reason: report.IdleReasonDropped}, s(540 + 15)},
		"NAT answers with RST: reset": {&world{forgets: always(s(351)), manner: reset}, tcp, byPing,
			report.IdleBounds{Survived: s(350), Lost: s(540), LostBy: endedBy(report.IdleRSTAfter), Reason: report.IdleReasonReset}, s(1080)},
		"balancer resets during the silence: reset": {&world{forgets: always(s(250)), early: true}, tcp, byPing,
			report.IdleBounds{Survived: s(240), Lost: s(250), LostBy: endedBy(report.IdleRSTDuring), Reason: report.IdleReasonReset}, s(500)},
		"timeout below the shortest step: lost": {&world{forgets: always(s(10)), manner: dropped}, tcp, byPing,
			report.IdleBounds{Lost: s(30), LostBy: endedBy(report.IdleNoAnswer), Reason: report.IdleReasonDropped}, s(540 + 15)},
		"server closes by FIN: closed": {&world{limit: always(s(110))}, tcp, byPing,
			report.IdleBounds{Survived: s(100), Closed: s(110), ClosedBy: endedBy(report.IdleFIN), Reason: report.IdleReasonLimit}, s(220)},
		"server closes by close_notify: closed": {&world{limit: always(s(110)), alert: true}, udp, byPing,
			report.IdleBounds{Survived: s(100), Closed: s(110), ClosedBy: endedBy(report.IdleNotify), Reason: report.IdleReasonLimit}, s(220)},
		"server's limit below the NAT's timeout: closed": {&world{limit: always(s(70)), forgets: always(s(200)), manner: dropped}, tcp, byPing,
			report.IdleBounds{Survived: s(60), Closed: s(70), ClosedBy: endedBy(report.IdleFIN), Reason: report.IdleReasonLimit}, s(140)},
		"NAT's timeout below the server's limit: dropped": {&world{limit: always(s(200)), forgets: always(s(70)), manner: dropped}, tcp, byPing,
			report.IdleBounds{Survived: s(60), Lost: s(90), LostBy: endedBy(report.IdleNoAnswer), Reason: report.IdleReasonDropped}, s(540 + 15)},
		"TCP, no pong: by hello": {&world{mute: true, forgets: always(s(200)), manner: dropped}, tcp, byHello,
			report.IdleBounds{Survived: s(180), Lost: s(240), LostBy: endedBy(report.IdleNoAnswer), Reason: report.IdleReasonDropped}, s(540 + 15)},
		"TCP, alert: by hello": {&world{hello: measurement.Alert}, tcp, byHello, survived, s(540)},
		"UDP, no pong: unknown": {&world{mute: true}, udp, "",
			unknown(report.IdleFact{Kind: report.IdleNeedsPing, Cause: report.IdlePingNotSupported}), s(15)},
		"path down: unknown": {&world{down: func() bool { return true }}, tcp, "",
			unknown(report.IdleFact{Kind: report.IdleNoConnection, Detail: scripted}), s(0)},
		"hello reset: unknown": {&world{hello: measurement.Reset}, tcp, "",
			unknown(report.IdleFact{Kind: report.IdleHelloUnanswered, Detail: scripted}), s(0)},
		"another answer after long silences: open": {&world{other: func(silent time.Duration) measurement.Failure {
			if silent > s(200) {
				return measurement.HTTP
			}
			return measurement.Alert
		}}, tcp, byHello,
			report.IdleBounds{Survived: s(180), Reason: report.IdleReasonSurvived,
				Open: report.IdleOpen{Fact: report.IdleFact{Kind: report.IdleHelloDiffers, Detail: scripted}}}, s(540)},
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
			if r.Proof != test.proof || !r.Complete {
				t.Errorf("proof %q, whole %v; want %q", r.Proof, r.Complete, test.proof)
			}
			if took > test.took+s(20) {
				t.Errorf("took %v, want about %v", took, test.took)
			}
		})
	}
}

// TestRoundWithRestart ends every connection once: the repetition shows that silence was not the cause.
func TestRoundWithRestart(t *testing.T) {
	restart := func(n int) time.Duration {
		if n <= 1+len(steps()) { // those of the first hour
			return s(200)
		}
		return 0
	}
	for name, w := range map[string]*world{
		"by RST": {forgets: restart, manner: report.IdleReset},
		"by FIN": {limit: restart},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := measure(t, w, targetTo("192.0.2.1:5684", measurement.TCP))
			if b := r.Bounds; b.Survived != s(540) || b.Lost != 0 || b.Closed != 0 || b.Unsteady.Kind == "" || b.Reason != report.IdleReasonSurvived {
				t.Errorf("%+v, want 540 s survived, unsteady", b)
			}
		})
	}
}

// TestRoundWithSeveralRestarts ends all connections more than once. Connections opened at the usual interval then end
// at one moment after different silences, and repeated ones after other silences again.
func TestRoundWithSeveralRestarts(t *testing.T) {
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
					Pace: NewPacer(OpeningInterval)}).Run(t.Context())
				b := r.Bounds
				if b.Lost != 0 || b.Closed != 0 || b.Unsteady.Kind != report.IdleEndedTogether || b.Survived != slices.Max(test.steps) {
					t.Errorf("%+v of %v", b, r.Observations)
				}
			})
		})
	}
}

// TestRoundBehindFlappingNAT expires every second connection: the majority decides.
func TestRoundBehindFlappingNAT(t *testing.T) {
	w := &world{manner: report.IdleDropped, forgets: func(n int) time.Duration {
		if n%2 == 0 {
			return s(100)
		}
		return 0
	}}
	r, _ := measure(t, w, targetTo("192.0.2.1:5684", measurement.TCP))
	b := r.Bounds
	if b.Unsteady.Kind == "" || b.Survived == 0 || b.Lost == 0 || b.Survived >= b.Lost || b.Reason != report.IdleReasonDropped {
		t.Errorf("%+v from %v", b, r.Observations)
	}
}

// TestRoundWithOtherFailures has failures that silence is not the cause of.
func TestRoundWithOtherFailures(t *testing.T) {
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
		if b := r.Bounds; b.Lost != 0 || b.Survived != s(540) || b.Unsteady.Kind == "" {
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
		if b := r.Bounds; b.Lost != 0 || b.Survived >= s(100) || b.Reason != report.IdleReasonSurvived || b.Open.Fact.Kind != report.IdlePingUnsent {
			t.Errorf("%+v, want nothing lost, and longer silences open", b)
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
		if b.Lost != 0 || b.Survived != s(120) || b.Reason != report.IdleReasonSurvived || b.Open.Fact.Kind != report.IdlePathDown || b.Open.Fact.Cause != report.IdleNoConnection {
			t.Errorf("%+v, want 120 s survived, and longer silences open", b)
		}
	})
}

func TestRoundInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), s(95))
		defer cancel()
		w := &world{}
		var last Progress
		r := (&Round{Open: w.session, Target: targetTo("192.0.2.1:5684", measurement.TCP), Steps: steps(), Parallel: len(steps()),
			Progress: func(p Progress) { last = p }}).Run(ctx)
		if r.Complete || r.Bounds.Survived != s(90) || last.Done != 3 || last.Silent != 0 {
			t.Errorf("whole %v, %+v, %+v", r.Complete, r.Bounds, last)
		}
		if open, _, _ := w.count(); open != 0 {
			t.Errorf("%d sessions left open", open)
		}
	})
}

// TestRoundProgressEnds compares the predicted end with the real one: a loss, the comparison, and the repetition.
func TestRoundProgressEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{forgets: always(s(200)), manner: report.IdleDropped}
		var predicted []time.Time
		r := (&Round{Open: w.session, Target: targetTo("192.0.2.1:5684", measurement.TCP), Steps: []time.Duration{s(30), s(540)}, Parallel: 2,
			Progress: func(p Progress) {
				if p.Silent > 0 {
					predicted = append(predicted, p.Ends)
				} else if now := time.Now(); !p.Ends.IsZero() || predicted[len(predicted)-1].Before(now) {
					t.Errorf("%v predicted, now %v: %+v", predicted, now, p)
				}
			}}).Run(t.Context())
		if len(predicted) != 4 || !predicted[1].Equal(predicted[2]) || predicted[3].Sub(predicted[2]) < s(540) {
			t.Errorf("predicted %v, of %v", predicted, r.Observations)
		}
	})
}

func TestRoundWithFewerConnectionsThanSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, freed := &world{forgets: always(s(200)), manner: report.IdleDropped}, 0
		r := (&Round{Open: w.session, Target: targetTo("192.0.2.1:5684", measurement.TCP), Steps: steps(), Parallel: 1,
			Freed: func() { freed++ }}).Run(t.Context())
		if _, most, _ := w.count(); most != 1 || freed != 1 || r.Bounds.Survived != s(180) || !near(r.Bounds.Lost, s(240)) {
			t.Errorf("%d at once, freed %d times, %+v", most, freed, r.Bounds)
		}
	})
}

func TestRoundWithoutPing(t *testing.T) {
	for name, test := range map[string]struct {
		forbid func(*path.Target)
		cause  report.IdleKind
	}{
		"finish: false":    {func(t *path.Target) { t.Finish = false }, report.IdleFinishDisabled},
		"coap_ping: false": {func(t *path.Target) { t.Ping = false }, report.IdlePingDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			target := targetTo("192.0.2.1:5684", measurement.TCP)
			test.forbid(&target)
			if r, _ := measure(t, &world{}, target); r.Proof != report.IdleByHello || r.Bounds.Survived != s(540) {
				t.Errorf("over TCP: proof %q, %+v", r.Proof, r.Bounds)
			}
			target.Transport = measurement.UDP
			if r, _ := measure(t, &world{}, target); r.Proof != "" || r.Bounds.Reason != report.IdleReasonUnknown || r.Bounds.Open.Fact.Kind != report.IdleNeedsPing || r.Bounds.Open.Fact.Cause != test.cause {
				t.Errorf("over UDP: proof %q, %+v", r.Proof, r.Bounds)
			}
		})
	}
}
