package diagnose

import (
	"slices"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// SettleDoubt decides about the sessions that ended without a TLS alert after the client certificate, which both a
// server that refuses the certificate and a firewall on the way can have done. If another path or address of the same
// service completes the session with that certificate, or refuses it with an alert, servers of the service do not end
// sessions silently: the session was cut on the way, and the path is blocked. Otherwise it stays unproven.
//
// It changes the hosts and copies the paths that it changes, which other reports may share.
func SettleDoubt(hosts []report.Host) {
	for i := range hosts {
		h := &hosts[i]
		if !InDoubt(h) || !serviceAnswersCertificate(hosts, h) {
			continue
		}
		h.Paths = slices.Clone(h.Paths)
		for j := range h.Paths {
			cutWalks(&h.Paths[j])
		}
		SetState(h)
	}
}

// SetState sets the state of a host from that of its paths.
func SetState(h *report.Host) {
	h.Up, h.Known = false, true
	for i := range h.Paths {
		h.Up = h.Up || h.Paths[i].Up
		h.Known = h.Known && h.Paths[i].Known
	}
	h.Known = h.Known || h.Up
}

// InDoubt reports whether a session with a host ended in doubt.
func InDoubt(h *report.Host) bool {
	return slices.ContainsFunc(h.Paths, func(p report.Path) bool {
		return slices.ContainsFunc(p.Walks, func(w report.Walk) bool { return w.Unproven })
	})
}

// serviceAnswersCertificate reports whether a server of a host's service answers the client certificate with a complete
// session or with an alert. A server for browsers says nothing about one for devices.
func serviceAnswersCertificate(hosts []report.Host, of *report.Host) bool {
	return slices.ContainsFunc(hosts, func(h report.Host) bool {
		return h.Endpoint.Service == of.Endpoint.Service && h.Endpoint.Client == of.Endpoint.Client &&
			slices.ContainsFunc(h.Paths, func(p report.Path) bool { return slices.ContainsFunc(p.Walks, answersCertificate) })
	})
}

// answersCertificate reports whether a walk met the service's own server, which asked for a certificate and then
// completed the session or sent an alert.
func answersCertificate(w report.Walk) bool {
	o := &w.Outcome
	if w.Withdrawn || !w.Judgement.Authentic || o.TLS == nil || !o.TLS.CertificateRequested {
		return false
	}
	finished, _ := o.Finished()
	return finished || o.Failure == measurement.CertificateNeeded && !o.Unproven
}

// cutWalks gives the unproven walks of a path the finding that they were cut on the way.
func cutWalks(p *report.Path) {
	p.Walks = slices.Clone(p.Walks)
	for i := range p.Walks {
		w := &p.Walks[i]
		if !w.Unproven {
			continue
		}
		o := &w.Outcome
		w.Unproven = false
		w.Finding = failureOf(o)
		w.Finding.Reason, w.Finding.Advice = endReason(o), reason.LetSessionFinish
		if i == 0 {
			p.Finding, p.Up, p.Unproven = w.Finding, false, false
		}
	}
}

// endReason is how a session ended in doubt.
func endReason(o *measurement.Outcome) reason.Reason {
	if o.Detail.Kind == measurement.DetailResetAfterCert {
		return reason.Reset
	}
	return reason.Closed
}
