package idle

import (
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Survival reports whether a connection survives silences of the given length.
func Survival(b *report.IdleBounds, silence time.Duration) report.IdleSurvival {
	switch {
	case b.Lost > 0 && silence >= b.Lost, b.Closed > 0 && silence >= b.Closed:
		return report.DoesNotSurvive
	case silence <= b.Survived:
		return report.Survives
	}
	return report.SurvivalUnknown
}

// keepalives are those of the vendor's builds and documentation, the longest first.
var keepalives = []report.Keepalive{
	{Build: report.BuildCClient, Interval: 540 * time.Second},
	{Build: report.BuildMbedOS, Interval: 100 * time.Second},
	{Build: report.BuildDocumentation, Interval: 90 * time.Second},
	{Build: report.BuildEdge, Interval: 60 * time.Second},
}

// Measured describes the path that bounds were measured on, and the round.
type Measured struct {
	Transport measurement.Transport
	Client    measurement.Client
	NAT       measurement.NAT
	Complete  bool // the round was not interrupted
}

// Advise returns what the bounds mean for devices. It names a setting only if a complete round lost a connection. For
// a web host it returns the zero value: no device's keepalive applies to its connections.
func Advise(b *report.IdleBounds, of Measured) report.IdleAdvice {
	if of.Client != measurement.Device {
		return report.IdleAdvice{}
	}
	a := report.IdleAdvice{Survived: b.Survived, Longest: keepalives[0].Interval, NAT: of.NAT}
	if of.Transport == measurement.UDP {
		a.Kind = udpAdvice[Survival(b, keepalives[0].Interval)]
		return a
	}
	var best time.Duration // the longest keepalive that survives
	for _, k := range keepalives {
		k.Survival = Survival(b, k.Interval)
		if k.Survival == report.Survives && best == 0 {
			best = k.Interval
		}
		a.Keepalives = append(a.Keepalives, k)
	}
	a.Kind, a.Setting = adviseTCP(b, best, of.Complete)
	return a
}

// udpAdvice is the advice by the survival of the longest keepalive. A device sends no ping over UDP. It sends only
// registration updates, at 75 % of the lifetime, so that a path whose timeout is below the longest keepalive expires
// the connection between two of them.
var udpAdvice = map[report.IdleSurvival]report.IdleAdviceKind{
	report.Survives:        report.IdleUDPSuffices,
	report.DoesNotSurvive:  report.IdleUDPDoesNotSuffice,
	report.SurvivalUnknown: report.IdleUDPUnknown,
}

// adviseTCP: best is the longest keepalive that survives, 0 if none does.
func adviseTCP(b *report.IdleBounds, best time.Duration, complete bool) (kind report.IdleAdviceKind, setting time.Duration) {
	lost := b.Lost > 0 || b.Closed > 0
	switch {
	case !complete:
		return report.IdleIncomplete, 0
	case !lost && b.Survived == 0:
		return report.IdleNoResult, 0
	case !lost && b.Unsteady != (report.IdleUnsteady{}):
		return report.IdleMeasureAgain, 0
	case best == keepalives[0].Interval:
		return report.IdleKeepSettings, 0
	case !lost:
		return report.IdleMeasureLonger, 0
	case best > 0:
		return report.IdleSetKeepalive, best
	case b.Survived >= time.Second:
		return report.IdleLimitKeepalive, b.Survived.Truncate(time.Second)
	case b.Survived > 0:
		return report.IdleTooShort, 0
	}
	return report.IdleNothingSurvived, 0
}
