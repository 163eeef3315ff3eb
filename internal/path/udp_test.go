package path

import (
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/evidence"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
)

func TestUDPWalkUnderEveryFault(t *testing.T) {
	for _, test := range []struct {
		fault   string
		failure evidence.Failure
		in      evidence.Phase
		phases  []evidence.Phase
		proved  bool
	}{
		{lab.None, evidence.Completed, "", evidence.Phases[1:], true},
	} {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			l := startLab(t, lab.Options{Hosts: lab.Izuma()[:1]})
			w := &Walker{Patience: brisk, Credential: stranger(t, l)}
			o := w.Walk(t.Context(), Target{
				Address: addressOf(t, l, bootstrap, evidence.UDP), Transport: evidence.UDP, Client: evidence.Device, Host: bootstrap,
				Finish: true, Ping: true, WebRetry: true,
			})
			if o.Failure != test.failure || o.FailedIn != test.in || !slices.Equal(phasesOf(o), test.phases) {
				t.Errorf("%q in %q after %v (%s), want %q in %q after %v",
					o.Failure, o.FailedIn, phasesOf(o), o.Detail, test.failure, test.in, test.phases)
			}
		})
	}
}
