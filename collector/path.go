package collector

import (
	"net/netip"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// path makes the series of one path. What it is like is that of the address that a device would take now, the first; how
// many addresses fare how is said of all.
func (s *series) path(of []string, p *report.Path) {
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
			s.out <- h
		}
	}
}

// addresses counts how the path fared to each address. One that the zone has withdrawn is no address of the host any
// more: its failure is the harm of a stale record and not a fault of the path.
func (s *series) addresses(of []string, p *report.Path) {
	var ok, failed, omitted int
	var withdrawn struct{ ok, failed int }
	reasons := make(map[diagnose.Reason]int)
	seen := make(map[netip.AddrPort]bool, len(p.Walks))
	for i := range p.Walks {
		w := &p.Walks[i]
		if seen[w.Outcome.Address] {
			continue
		}
		seen[w.Outcome.Address] = true
		reason := w.Finding.Reason
		switch {
		case w.Withdrawn && reason == diagnose.OK:
			withdrawn.ok++
		case w.Withdrawn && reason == diagnose.OutOfTime:
		case w.Withdrawn:
			withdrawn.failed++
		case reason == diagnose.OK:
			ok++
		case reason == diagnose.OutOfTime:
			omitted++
			reasons[reason]++
		default:
			failed++
			reasons[reason]++
		}
	}
	if len(p.Walks) == 0 && p.Finding.Reason != diagnose.OK {
		reasons[p.Finding.Reason] = 1
	}
	for _, reason := range diagnose.Reasons() {
		if n := reasons[reason]; n > 0 {
			s.add(pathFailure, float64(n), of, string(reason), string(diagnose.ClassOf(reason)))
		}
	}
	s.add(pathAddresses, float64(ok), of, resultOK)
	s.add(pathAddresses, float64(failed), of, resultFailed)
	s.add(pathAddresses, float64(omitted+p.Omitted), of, resultOmitted)
	if withdrawn.ok+withdrawn.failed > 0 {
		s.add(pathWithdrawnAddresses, float64(withdrawn.ok), of, resultOK)
		s.add(pathWithdrawnAddresses, float64(withdrawn.failed), of, resultFailed)
	}
}

// walk makes the series of the walk to the first address.
func (s *series) walk(of []string, w *report.Walk) {
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
		if o.Transport == measurement.UDP && w.Finding.Reason != diagnose.OutOfTime {
			s.add(udpRetransmissions, float64(o.Retransmissions), of)
		}
	}
	if finished, tried := o.Finished(); tried {
		s.add(pathFinished, number(finished), of)
	}
	if o.Pinged && o.Failure != measurement.OutOfTime { // cut off while the answer was awaited: nothing is known
		s.add(coapUp, number(o.Ponged), of)
	}
	s.tls(of, w)
}

// handshake is how long connect and hello took together (over UDP, which does not connect, the hello alone); ok is false
// if a phase of them did not run to its end.
func handshake(o *measurement.Outcome) (took time.Duration, ok bool) {
	hello, ok := o.Took(measurement.Hello)
	if !ok || o.Transport == measurement.UDP {
		return hello, ok
	}
	connect, ok := o.Took(measurement.Connect)
	return connect + hello, ok
}
