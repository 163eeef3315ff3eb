package idle

import (
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

func TestSurvival(t *testing.T) {
	const yes, no, unknown = report.Survives, report.DoesNotSurvive, report.SurvivalUnknown
	for name, test := range map[string]struct {
		bounds                  report.IdleBounds
		sixty, hundred, longest report.IdleSurvival // of 60, 100 and 540 s
	}{
		"nothing known: unknown":                    {report.IdleBounds{}, unknown, unknown, unknown},
		"all survived: survives":                    {report.IdleBounds{Survived: s(540)}, yes, yes, yes},
		"between the bounds: unknown":               {report.IdleBounds{Survived: s(60), Lost: s(120)}, yes, unknown, no},
		"at the loss: does not survive":             {report.IdleBounds{Survived: s(60), Lost: s(100)}, yes, no, no},
		"beyond the server's limit: does not":       {report.IdleBounds{Survived: s(60), Closed: s(70)}, yes, no, no},
		"lost before the server's limit: does not":  {report.IdleBounds{Lost: s(50), Closed: s(70)}, no, no, no},
		"longer than the longest measured: unknown": {report.IdleBounds{Survived: s(100)}, yes, yes, unknown},
	} {
		for silence, want := range map[int]report.IdleSurvival{60: test.sixty, 100: test.hundred, 540: test.longest} {
			if got := Survival(&test.bounds, s(silence)); got != want {
				t.Errorf("%s: %d s %q, want %q", name, silence, got, want)
			}
		}
	}
}

func TestAdvise(t *testing.T) {
	const tcp, udp = measurement.TCP, measurement.UDP
	unsteady := report.IdleUnsteady{Kind: report.IdleEndsDiffer}
	for name, test := range map[string]struct {
		bounds     report.IdleBounds
		transport  measurement.Transport
		incomplete bool
		kind       report.IdleAdviceKind
		setting    time.Duration
		survival   [4]report.IdleSurvival // of the keepalives, the longest first; "" as the first
	}{
		"all survived: keep":                     {bounds: report.IdleBounds{Survived: s(540)}, transport: tcp, kind: report.IdleKeepSettings, survival: all(report.Survives)},
		"lost after 350 s: set 100 s":            {bounds: report.IdleBounds{Survived: s(240), Lost: s(350)}, transport: tcp, kind: report.IdleSetKeepalive, setting: s(100), survival: [4]report.IdleSurvival{report.DoesNotSurvive, report.Survives, report.Survives, report.Survives}},
		"lost after 90 s: set 60 s":              {bounds: report.IdleBounds{Survived: s(60), Lost: s(90)}, transport: tcp, kind: report.IdleSetKeepalive, setting: s(60), survival: [4]report.IdleSurvival{report.DoesNotSurvive, report.DoesNotSurvive, report.DoesNotSurvive, report.Survives}},
		"30 s survived, 60 s lost: at most 30 s": {bounds: report.IdleBounds{Survived: s(30), Lost: s(60)}, transport: tcp, kind: report.IdleLimitKeepalive, setting: s(30), survival: all(report.DoesNotSurvive)},
		"1.5 s survived, closed: at most 1 s":    {bounds: report.IdleBounds{Survived: 1500 * time.Millisecond, Closed: s(2)}, transport: tcp, kind: report.IdleLimitKeepalive, setting: s(1), survival: all(report.DoesNotSurvive)},
		"0.1 s survived, 1 s lost: too short":    {bounds: report.IdleBounds{Survived: s(1) / 10, Lost: s(1)}, transport: tcp, kind: report.IdleTooShort, survival: all(report.DoesNotSurvive)},
		"nothing survived: nothing":              {bounds: report.IdleBounds{Lost: s(30)}, transport: tcp, kind: report.IdleNothingSurvived, survival: all(report.DoesNotSurvive)},
		"no result: none":                        {transport: tcp, kind: report.IdleNoResult, survival: all(report.SurvivalUnknown)},
		"60 s survived, nothing lost: longer":    {bounds: report.IdleBounds{Survived: s(60)}, transport: tcp, kind: report.IdleMeasureLonger, survival: [4]report.IdleSurvival{report.SurvivalUnknown, report.SurvivalUnknown, report.SurvivalUnknown, report.Survives}},
		"unsteady, nothing lost: again":          {bounds: report.IdleBounds{Survived: s(540), Unsteady: unsteady}, transport: tcp, kind: report.IdleMeasureAgain, survival: all(report.Survives)},
		"interrupted: incomplete":                {bounds: report.IdleBounds{Survived: s(60), Lost: s(90)}, transport: tcp, incomplete: true, kind: report.IdleIncomplete, survival: [4]report.IdleSurvival{report.DoesNotSurvive, report.DoesNotSurvive, report.DoesNotSurvive, report.Survives}},
		"UDP, all survived: suffices":            {bounds: report.IdleBounds{Survived: s(540)}, transport: udp, kind: report.IdleUDPSuffices},
		"UDP, lost after 60 s: does not":         {bounds: report.IdleBounds{Survived: s(30), Lost: s(60)}, transport: udp, kind: report.IdleUDPDoesNotSuffice},
		"UDP, no result: unknown":                {transport: udp, kind: report.IdleUDPUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			of := Measured{Transport: test.transport, Client: measurement.Device, NAT: measurement.SiteNAT, Complete: !test.incomplete}
			got := Advise(&test.bounds, of)
			if got.Kind != test.kind || got.Setting != test.setting || got.Survived != test.bounds.Survived || got.NAT != measurement.SiteNAT {
				t.Errorf("%+v, want %q with a setting of %v", got, test.kind, test.setting)
			}
			var survival [4]report.IdleSurvival
			for i, k := range got.Keepalives {
				survival[i] = k.Survival
			}
			if survival != test.survival {
				t.Errorf("keepalives: %v, want %v", survival, test.survival)
			}
		})
	}
}

// all is one result for every keepalive.
func all(survival report.IdleSurvival) [4]report.IdleSurvival {
	return [4]report.IdleSurvival{survival, survival, survival, survival}
}

func TestAdviseForWebHost(t *testing.T) {
	bounds := report.IdleBounds{Survived: s(60), Lost: s(90), Reason: report.IdleReasonDropped}
	got := Advise(&bounds, Measured{Transport: measurement.TCP, Client: measurement.Web, NAT: measurement.SiteNAT, Complete: true})
	if got.Kind != "" || got.Keepalives != nil {
		t.Errorf("%+v, want no advice", got)
	}
}
