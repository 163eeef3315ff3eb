package diagnose

import (
	"reflect"
	"slices"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/trust"
)

// asked is the walk to a server that asks for a certificate.
func asked(change func(*report.Walk)) report.Walk {
	w := report.Walk{
		Outcome: measurement.Outcome{
			Client: measurement.Device, Transport: measurement.TCP, FailedIn: measurement.Finish,
			TLS: &measurement.TLS{CertificateRequested: true},
		},
		Judgement: trust.Judgement{Seen: true, Authentic: true},
	}
	change(&w)
	return w
}

func doubtful(kind measurement.DetailKind) report.Walk {
	return asked(func(w *report.Walk) {
		w.Outcome.Failure, w.Outcome.Unproven, w.Unproven = measurement.CertificateNeeded, true, true
		w.Outcome.Detail.Kind = kind
	})
}

func completed() report.Walk {
	return asked(func(w *report.Walk) {
		w.Outcome.FailedIn, w.Outcome.Times = "", []measurement.PhaseTime{{Phase: measurement.Finish, Took: 1}}
	})
}

func changed(w report.Walk, change func(*report.Walk)) report.Walk {
	change(&w)
	return w
}

func TestSettleDoubt(t *testing.T) {
	refused := asked(func(w *report.Walk) { w.Outcome.Failure = measurement.CertificateNeeded })
	reset, closed := doubtful(measurement.DetailResetAfterCert), doubtful(measurement.DetailEndedAfterCert)
	// host is a host of a service, with one path for each walk; addresses is one with all walks on one path.
	host := func(service string, client measurement.Client, walks ...report.Walk) report.Host {
		h := report.Host{Endpoint: &config.Endpoint{Service: service, Host: "a.test", Client: client}, Up: true, Known: true}
		for _, w := range walks {
			up := w.Finding.Reason == reason.OK
			h.Paths = append(h.Paths, report.Path{Path: tcp5684, Walks: []report.Walk{w}, Up: up, Known: true, Unproven: w.Unproven, Finding: w.Finding})
		}
		return h
	}
	addresses := func(walks ...report.Walk) report.Host {
		h := host("s", measurement.Device, walks[0])
		h.Paths[0].Walks = walks
		return h
	}
	device := measurement.Device
	for _, tt := range []struct {
		name     string
		hosts    []report.Host
		want     reason.Reason // of the first walk, which is in doubt
		hostDown bool
	}{
		{name: "nothing else: not proved", hosts: []report.Host{host("s", device, reset)}},
		{name: "another path in doubt: not proved", hosts: []report.Host{host("s", device, reset, closed)}},
		{name: "another path finishes: reset", hosts: []report.Host{host("s", device, reset, completed())}, want: reason.Reset},
		{name: "another path finishes: closed", hosts: []report.Host{host("s", device, closed, completed())}, want: reason.Closed},
		{name: "another path refuses with an alert: reset", hosts: []report.Host{host("s", device, reset, refused)}, want: reason.Reset},
		{name: "another address finishes: reset", hosts: []report.Host{addresses(reset, completed())}, want: reason.Reset, hostDown: true},
		{name: "another host of the service finishes: reset", hosts: []report.Host{host("s", device, reset), host("s", device, completed())}, want: reason.Reset, hostDown: true},
		{name: "another service finishes: not proved", hosts: []report.Host{host("s", device, reset), host("other", device, completed())}},
		{name: "the service's web host finishes: not proved", hosts: []report.Host{host("s", device, reset), host("s", measurement.Web, completed())}},
		{name: "another path finishes without a certificate: not proved", hosts: []report.Host{host("s", device, reset, changed(completed(), func(w *report.Walk) {
			w.Outcome.TLS = &measurement.TLS{}
		}))}},
		{name: "an interceptor finishes: not proved", hosts: []report.Host{host("s", device, reset, changed(completed(), func(w *report.Walk) {
			w.Judgement.Authentic = false
		}))}},
		{name: "a withdrawn address finishes: not proved", hosts: []report.Host{addresses(reset, changed(completed(), func(w *report.Walk) { w.Withdrawn = true }))}},
		{name: "another path is silent: not proved", hosts: []report.Host{host("s", device, reset, asked(func(w *report.Walk) {
			w.Outcome.Failure, w.Finding = measurement.Silent, finding(reason.Silent)
		}))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := make([]report.Host, len(tt.hosts))
			for i := range tt.hosts {
				before[i] = tt.hosts[i]
				before[i].Paths = slices.Clone(tt.hosts[i].Paths)
			}
			shared := tt.hosts[0].Paths
			hosts := slices.Clone(tt.hosts)
			SettleDoubt(hosts)
			if !reflect.DeepEqual(shared, before[0].Paths) {
				t.Error("paths that other reports share were changed")
			}
			h, cut := &hosts[0], tt.want != reason.OK
			p, w := &h.Paths[0], &h.Paths[0].Walks[0]
			if p.Finding.Reason != tt.want || w.Finding != p.Finding || p.Up == cut || p.Unproven == cut || w.Unproven == cut || !p.Known {
				t.Errorf("path %+v, want %q", p, tt.want)
			}
			if cut && (p.Finding.Reason.Class() != reason.Blocked || p.Finding.Advice != reason.LetSessionFinish || p.Finding.Phase != measurement.Finish) {
				t.Errorf("finding %+v", p.Finding)
			}
			if h.Up == tt.hostDown || !h.Known {
				t.Errorf("host up %v, known %v", h.Up, h.Known)
			}
		})
	}
}
