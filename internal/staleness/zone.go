package staleness

import (
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Bounds of what is remembered of one zone view.
const (
	maxOwners  = 16 // owner names between the host and its addresses, over time
	maxRecords = 64 // read from one answer or sample step
)

// zoneView is what the authoritative servers publish for one host and one type, A or AAAA: the RRsets on the chain of
// CNAMEs from the host to its addresses.
type zoneView struct {
	rrsets        map[string]*rrset         // by owner name
	chain         []string                  // owner names of the newest valid sample
	coverageStart time.Time                 // start of the present run of valid samples without a gap
	lastValid     time.Time                 // end of the newest valid sample
	validSince    time.Time                 // start of the present run of samples without a failure
	lastAnswered  time.Time                 // end of the newest sample that did not fail
	lastFailed    time.Time                 // end of the newest sample that failed
	serverLeft    time.Time                 // when a server last ceased to be one of those that an RRset has now
	lastWalked    time.Time                 // start of the newest valid sample for which the delegation was walked
	failure       measurement.SampleFailure // of the newest sample
	sampled       bool
}

// add takes one sample. A pause longer than maxGap ends the coverage.
func (z *zoneView) add(s measurement.Sample, maxGap time.Duration) {
	z.sampled = true
	if s.Failure == "" && !endsInAddress(s.Steps) {
		s.Failure = measurement.SampleNoAddress
	}
	z.failure = s.Failure
	if s.Failure != "" && s.Failure != measurement.SampleNoAddress {
		z.validSince, z.lastFailed = time.Time{}, s.Received
		return
	}
	if z.validSince.IsZero() || s.Received.Sub(z.lastAnswered) > maxGap {
		z.validSince = s.Received
	}
	z.lastAnswered = s.Received
	if s.Walked && (s.Failure == "" || len(s.Steps) > 0) {
		z.lastWalked = s.Asked
	}
	if s.Failure != "" {
		z.addMissing(s, maxGap)
		return
	}
	if z.lastValid.IsZero() || s.Received.Sub(z.lastValid) > maxGap {
		z.coverageStart = s.Received
	}
	z.lastValid = s.Received
	z.chain = z.chain[:0]
	for _, step := range s.Steps[:min(len(s.Steps), maxOwners)] {
		z.addStep(step, s.Asked, s.Received, maxGap)
	}
}

// addMissing takes a sample whose last step has no records: the RRset there is empty, or its name does not exist. A
// name or an RRset that was removed is withdrawn like any other value.
func (z *zoneView) addMissing(s measurement.Sample, maxGap time.Duration) {
	steps := s.Steps[:min(len(s.Steps), maxOwners)]
	if len(steps) == 0 || len(z.chain) == 0 {
		return
	}
	name := z.chain[0]
	for _, step := range steps {
		if len(step.Records) == 0 {
			if set := z.rrsets[name]; set != nil {
				set.add(nil, step, s.Asked, s.Received, maxGap)
				z.serverLeft = later(z.serverLeft, set.serverLeft)
			}
			return
		}
		if target := step.Records[len(step.Records)-1].Target; target != "" {
			name = target
		}
	}
}

func endsInAddress(steps []measurement.SampleStep) bool {
	for _, step := range steps {
		for _, r := range step.Records {
			if r.Addr.IsValid() {
				return true
			}
		}
	}
	return false
}

// addStep takes one server's part of the chain, which may have several owner names.
func (z *zoneView) addStep(step measurement.SampleStep, asked, received time.Time, maxGap time.Duration) {
	records := step.Records[:min(len(step.Records), maxRecords)]
	for len(records) > 0 {
		name := records[0].Owner
		var set, rest []measurement.Record
		for _, r := range records {
			if r.Owner == name {
				set = append(set, r)
			} else {
				rest = append(rest, r)
			}
		}
		records = rest
		history := z.rrset(name)
		history.add(set, step, asked, received, maxGap)
		z.serverLeft = later(z.serverLeft, history.serverLeft)
		if len(z.chain) < maxOwners {
			z.chain = append(z.chain, name)
		}
	}
}

// rrset returns the history of one owner name. A new one may replace the one that was not sampled for longest.
func (z *zoneView) rrset(name string) *rrset {
	if s := z.rrsets[name]; s != nil {
		return s
	}
	if z.rrsets == nil {
		z.rrsets = make(map[string]*rrset)
	}
	if len(z.rrsets) >= maxOwners {
		deleteOldest(z.rrsets, func(s *rrset) time.Time { return s.lastSampled })
	}
	s := &rrset{values: make(map[value]*valueHistory)}
	z.rrsets[name] = s
	return s
}

// formerUnknown reports whether servers that the zone no longer uses, and that a resolver may still ask, may publish
// what their samples did not show: because the RRset was not sampled for the time of learning before they left.
func (z *zoneView) formerUnknown(s *rrset, now time.Time, c Constants) bool {
	return !z.serverLeft.IsZero() && now.Sub(z.serverLeft) <= delegationTime && z.serverLeft.Sub(s.coverageStart) < c.Learning
}

// showed reports whether a sample that ended at or after since held v, at any owner name.
func (z *zoneView) showed(v value, since time.Time) bool {
	for _, s := range z.rrsets {
		if h := s.values[v]; h != nil && !h.lastSeen.Before(since) {
			return true
		}
	}
	return false
}

// addresses is the number of distinct addresses seen within sampleWindow.
func (z *zoneView) addresses(now time.Time) int {
	n := 0
	for _, s := range z.rrsets {
		for v, h := range s.values {
			if v.addr.IsValid() && now.Sub(h.lastSeen) <= sampleWindow {
				n++
			}
		}
	}
	return n
}

// ttl is the smallest TTL of the chain in the newest valid sample.
func (z *zoneView) ttl() (ttl time.Duration, ok bool) {
	for _, name := range z.chain {
		if s := z.rrsets[name]; s != nil {
			if t := seconds(s.ttls.latest); !ok || t < ttl {
				ttl, ok = t, true
			}
		}
	}
	return ttl, ok
}

// constantTTL is the TTL of the chain if all its RRsets have the same one and it did not change within a day; else 0.
func (z *zoneView) constantTTL(now time.Time) time.Duration {
	var ttl time.Duration
	for i, name := range z.chain {
		s := z.rrsets[name]
		if s == nil {
			return 0
		}
		smallest, largest, _, ok := s.ttls.bounds(now)
		if !ok || smallest != largest {
			return 0
		}
		if i > 0 && largest != ttl {
			return 0
		}
		ttl = largest
	}
	return ttl
}

// samplesNeeded is how many samples of every server are taken within a round to confirm or refute a finding.
func (z *zoneView) samplesNeeded(now time.Time) int {
	for _, name := range z.chain {
		if s := z.rrsets[name]; s != nil && s.showsSubsets(now) {
			return subsetSamplesEach
		}
	}
	return samplesEach
}

// cannotShowWithdrawal reports whether the samples could not show that the zone withdraws the values of an answer, at
// any owner name of the chain.
func (z *zoneView) cannotShowWithdrawal(a *answer, now time.Time) bool {
	for _, name := range z.chain {
		s := z.rrsets[name]
		if s == nil {
			continue
		}
		blind := false
		for _, r := range a.records {
			if r.Owner != name {
				continue
			}
			cannot, known := s.cannotShowAbsent(valueOf(r), now)
			if blind = blind || cannot; known && !cannot {
				blind = false
				break
			}
		}
		if blind {
			return true
		}
	}
	return false
}

// serversNotAsked reports whether some zone of the chain has servers whose records are not known.
func (z *zoneView) serversNotAsked() bool {
	return slices.ContainsFunc(z.chain, func(name string) bool { return z.rrsets[name] != nil && z.rrsets[name].tooManyServers })
}

// newestCoverageStart is when the youngest coverage of an RRset began. It changes when one begins again.
func (z *zoneView) newestCoverageStart() time.Time {
	var newest time.Time
	for _, s := range z.rrsets {
		newest = later(newest, s.coverageStart)
	}
	return newest
}
