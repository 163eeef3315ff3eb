package measurement

import (
	"testing"
	"time"
)

func TestFinishedIsKnownOnlyOfASessionThatWasTried(t *testing.T) {
	times := func(phases ...Phase) (out []PhaseTime) {
		for _, p := range phases {
			out = append(out, PhaseTime{p, time.Millisecond})
		}
		return out
	}
	proved := &TLS{KeyProved: true}
	for name, test := range map[string]struct {
		outcome         Outcome
		finished, tried bool
	}{
		"completed":                            {Outcome{Client: Device, Times: times(Connect, Hello, Finish)}, true, true},
		"completed, the ping cut off":          {Outcome{Client: Device, Times: times(Connect, Hello, Finish), FailedIn: Ping, Failure: OutOfTime}, true, true},
		"the certificate refused":              {Outcome{Client: Device, Times: times(Connect, Hello), FailedIn: Finish, Failure: CertificateNeeded}, false, true},
		"completed, but not as a device could": {Outcome{Client: Device, Times: times(Connect, Hello, Finish), FailedIn: Finish, Failure: Unfit}, false, true},
		"cut off by the deadline":              {Outcome{Client: Device, Times: times(Connect, Hello), FailedIn: Finish, Failure: OutOfTime}, false, false},
		"not for want of a server":             {Outcome{Client: Device, Times: times(Connect, Hello), FailedIn: Finish, Failure: Internal}, false, false},
		"stopped at the flight":                {Outcome{Client: Device, Times: times(Connect, Hello)}, false, false},
		"never greeted":                        {Outcome{Client: Device, Times: times(Connect), FailedIn: Hello, Failure: Reset}, false, false},
		"web: completed":                       {Outcome{Client: Web, Times: times(Connect, Hello), TLS: proved}, true, true},
		"web: the certificate refused":         {Outcome{Client: Web, Times: times(Connect, Hello), TLS: proved, FailedIn: Finish, Failure: CertificateNeeded}, false, true},
		"web: replayed":                        {Outcome{Client: Web, Times: times(Connect, Hello), TLS: &TLS{SignatureChecked: true}}, false, false},
		"web: never connected":                 {Outcome{Client: Web, FailedIn: Connect, Failure: Refused}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if finished, tried := test.outcome.Finished(); finished != test.finished || tried != test.tried {
				t.Errorf("finished %v, tried %v, want %v, %v", finished, tried, test.finished, test.tried)
			}
		})
	}
}
