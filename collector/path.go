package collector

import (
	"maps"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// allReasons is the closed list: [reason.All] copies it.
var allReasons = reason.All()

// path adds the series of one path. Most describe the first address, which a device would use now; the counts by
// result cover all addresses.
func (s *series) path(of *subject, p *report.Path) {
	if p.Known {
		s.add(pathUp, number(p.Up), of)
	}
	s.add(pathAttempts, float64(p.OK), of, resultOK)
	s.add(pathAttempts, float64(p.Failed), of, resultFailed)
	s.addresses(of, p)
	if len(p.Walks) > 0 {
		s.walk(of, &p.Walks[0])
	}
	if p.Idle != nil {
		s.seconds(idleSurvived, p.Idle.Survived, of)
		s.seconds(idleLost, p.Idle.Lost, of)
		s.seconds(idleClosed, p.Idle.Closed, of)
		s.at(idleLastRound, p.Idle.LastRound, of)
	}
	if s.options.Histograms != nil {
		if h := s.options.Histograms.of(of); h != nil {
			s.out.addHistogram(handshakeDuration, h, of)
		}
	}
}

// addresses counts the path's addresses by result. An address that the zone has withdrawn is counted apart: if it
// fails, that is the harm of a stale record and not a fault of the path.
func (s *series) addresses(of *subject, p *report.Path) {
	var ok, failed, omitted int
	var withdrawn struct{ ok, failed int }
	reasons := make(map[reason.Reason]int)
	issuers := make(map[string]int)
	for i := range p.Walks {
		w := &p.Walks[i]
		if slices.ContainsFunc(p.Walks[:i], func(earlier report.Walk) bool { return earlier.Outcome.Address == w.Outcome.Address }) {
			continue
		}
		found := w.Finding.Reason
		switch {
		case w.Withdrawn && found == reason.OK:
			withdrawn.ok++
		case w.Withdrawn && found == reason.OutOfTime:
		case w.Withdrawn:
			withdrawn.failed++
		case found == reason.OK:
			ok++
		case found == reason.OutOfTime:
			omitted++
			reasons[found]++
		default:
			failed++
			reasons[found]++
			if w.Judgement.Seen && found.Class() == reason.Interception {
				issuers[measurement.Text(w.Judgement.Issuer)]++
			}
		}
	}
	if len(p.Walks) == 0 && p.Finding.Reason != reason.OK {
		reasons[p.Finding.Reason] = 1
	}
	for _, info := range allReasons {
		if n := reasons[info.Reason]; n > 0 {
			s.add(pathFailure, float64(n), of, string(info.Reason), string(info.Class))
		}
	}
	for _, issuer := range slices.Sorted(maps.Keys(issuers)) {
		s.add(pathInterceptorAddresses, float64(issuers[issuer]), of, issuer)
	}
	s.add(pathAddresses, float64(ok), of, resultOK)
	s.add(pathAddresses, float64(failed), of, resultFailed)
	s.add(pathAddresses, float64(omitted+p.Omitted), of, resultOmitted)
	if withdrawn.ok+withdrawn.failed > 0 {
		s.add(pathWithdrawnAddresses, float64(withdrawn.ok), of, resultOK)
		s.add(pathWithdrawnAddresses, float64(withdrawn.failed), of, resultFailed)
	}
}

// walk adds the series of the walk to the first address.
func (s *series) walk(of *subject, w *report.Walk) {
	o := &w.Outcome
	for _, phase := range measurement.Phases {
		if took, ran := o.Took(phase); ran {
			s.add(pathDuration, took.Seconds(), of, string(phase))
		}
	}
	s.seconds(tcpRTT, o.RTT, of)
	s.seconds(pathFirstReply, o.FirstReply, of)
	if o.Local.IsValid() {
		s.add(pathBehindNAT, number(o.BehindNAT()), of)
		if o.Transport == measurement.UDP && w.Finding.Reason != reason.OutOfTime {
			s.add(udpRetransmissions, float64(o.Retransmissions), of)
		}
	}
	if finished, tried := o.Finished(); tried {
		s.add(pathFinished, number(finished), of)
		s.add(pathUnproven, number(w.Unproven), of)
	}
	if o.Pinged && o.Failure != measurement.OutOfTime { // at the deadline it is not known whether an answer would come
		s.add(coapUp, number(o.Ponged), of)
	}
	s.tls(of, w)
}

// handshake is the duration of connect and hello together, or over UDP, which has no connect, of the hello; ok is false
// if one of them did not run to its end.
func handshake(o *measurement.Outcome) (took time.Duration, ok bool) {
	hello, ok := o.Took(measurement.Hello)
	if !ok || o.Transport == measurement.UDP {
		return hello, ok
	}
	connect, ok := o.Took(measurement.Connect)
	return connect + hello, ok
}
