// Package present turns reports into words and shows them outside Prometheus: on a terminal ([Text]), as a web page
// ([Page]), as Markdown to forward ([Markdown]), and as JSON for programs ([JSON]).
//
// All sentences that people read about a report are in this package, each in one place: findings in finding.go, advice
// in advice.go and cause.go, the verdict in verdict.go, requests to the network's owner in request.go, lines of the
// table in lines.go. They are made from the facts of the report; no code here computes on a sentence, and no verdict is
// made here. Where every member of a closed list has its sentence, they are a table, in which a name in braces stands
// for a fact: [fill] replaces it.
package present

import (
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// SchemaVersion is the version of the JSON form. It changes when a field is renamed or removed, or changes its meaning.
const SchemaVersion = 1

// View is a report in the form that programs read: /api/v1/report and `check --output=json`. Times are RFC 3339,
// durations are seconds, and what is not known is absent. Every text in it is safe to show. The other views read it
// too, and the report that it was made from.
type View struct {
	SchemaVersion   int                     `json:"schema_version"`
	ExporterVersion string                  `json:"exporter_version"`
	Site            string                  `json:"site"`
	Configuration   string                  `json:"configuration"` // the file, or the built-in catalogue
	Resolvers       []string                `json:"resolvers,omitempty"`
	Proxy           string                  `json:"proxy,omitempty"` // that of this machine's environment, and its variable
	Started         time.Time               `json:"started"`
	Finished        time.Time               `json:"finished"`
	Healthy         bool                    `json:"healthy"` // as report.Summary.State is Up
	Verdict         string                  `json:"verdict"` // how the site stands, in one sentence
	Cause           string                  `json:"cause,omitempty"`
	Todo            []Task                  `json:"todo,omitempty"`
	IncompletePaths int                     `json:"incomplete_paths"`
	AuthorityPath   measurement.Port53State `json:"authority_path,omitempty"`
	Hosts           []Host                  `json:"hosts"`

	summary *report.Summary
	state   report.State // of the site
}

// Host is one endpoint.
type Host struct {
	Service   string       `json:"service"`
	Host      string       `json:"host"`
	State     report.State `json:"state"`
	Keepalive float64      `json:"keepalive_seconds,omitempty"`
	Resolvers []Resolver   `json:"resolvers,omitempty"`
	Authority *Authority   `json:"authority,omitempty"`
	Paths     []Path       `json:"paths"`
	Advice    []string     `json:"advice,omitempty"`

	key config.Key
}

// Resolver is a host at one of the site's DNS servers.
type Resolver struct {
	Resolver      string                 `json:"resolver"`
	Addresses     []string               `json:"addresses,omitempty"`
	TTLSeconds    *float64               `json:"ttl_seconds,omitempty"`
	LookupSeconds float64                `json:"lookup_seconds"`
	Failure       measurement.DNSFailure `json:"failure,omitempty"`
	Detail        string                 `json:"detail,omitempty"`
	Changes       uint64                 `json:"address_changes"`
	Verdict       staleness.Verdict      `json:"verdict,omitempty"`
	Why           string                 `json:"why,omitempty"`
	Withdrawn     []string               `json:"withdrawn_addresses,omitempty"`
	Ready         *time.Time             `json:"verdict_expected,omitempty"`

	name      string   // as a person names it: without the usual port
	sinkholes []string // those of Addresses that cannot be the cloud
}

// Authority is the answer of the zone's authoritative servers.
type Authority struct {
	TTLSeconds float64  `json:"ttl_seconds,omitempty"`
	Addresses  []string `json:"addresses,omitempty"`
	Why        string   `json:"why,omitempty"`
}

// Path is one way to a host.
type Path struct {
	Transport measurement.Transport `json:"transport"`
	Port      uint16                `json:"port"`
	State     report.State          `json:"state"`
	Unproven  bool                  `json:"unproven,omitempty"` // state is up, but it is not proved that a device gets through
	Unjudged  bool                  `json:"unjudged,omitempty"` // state is up, but the certificate was compared with no trust anchor
	Reason    reason.Reason         `json:"reason,omitempty"`
	Class     reason.Class          `json:"class,omitempty"`
	Seen      string                `json:"seen,omitempty"`
	Advice    string                `json:"advice,omitempty"`
	Omitted   int                   `json:"omitted_addresses,omitempty"`
	Addresses []Address             `json:"addresses,omitempty"`
	Idle      *Idle                 `json:"idle,omitempty"`
	Trace     *Trace                `json:"trace,omitempty"`
}

func (p *Path) path() measurement.Path { return measurement.Path{Transport: p.Transport, Port: p.Port} }

// Address is a path to one address; the first of a path is the one that a device would take now.
type Address struct {
	Address         string             `json:"address"`
	Local           string             `json:"local,omitempty"`
	BehindNAT       bool               `json:"behind_nat,omitempty"` // a private local address towards a public one
	Withdrawn       bool               `json:"withdrawn,omitempty"`
	Unproven        bool               `json:"unproven,omitempty"`
	Unjudged        bool               `json:"unjudged,omitempty"`
	Reason          reason.Reason      `json:"reason,omitempty"`
	Class           reason.Class       `json:"class,omitempty"`
	Seen            string             `json:"seen,omitempty"`
	Detail          string             `json:"detail,omitempty"`
	Seconds         map[string]float64 `json:"seconds,omitempty"` // by phase
	RTTSeconds      float64            `json:"rtt_seconds,omitempty"`
	FirstReply      float64            `json:"first_reply_seconds,omitempty"`
	Retransmissions int                `json:"retransmissions,omitempty"`
	Session         string             `json:"session,omitempty"` // finished | unfinished; absent if it was not attempted
	CoAP            string             `json:"coap,omitempty"`    // answered | unanswered
	Certificate     *Certificate       `json:"certificate,omitempty"`

	started time.Time
	finding report.Finding
	detail  measurement.Detail
}

// Values of Session and CoAP.
const (
	sessionFinished   = "finished"
	sessionUnfinished = "unfinished"
	pingAnswered      = "answered"
	pingUnanswered    = "unanswered"
)

// Certificate is the one that the server sent.
type Certificate struct {
	Authentic       bool               `json:"authentic"`
	MachineRoot     bool               `json:"machine_root,omitempty"` // a root that only this machine trusts signed it
	Issuer          string             `json:"issuer"`
	Subject         string             `json:"subject"`
	Chain           []string           `json:"chain,omitempty"` // subjects after the leaf; of a certificate that is not judged
	Expected        string             `json:"expected,omitempty"`
	PublicKeySHA256 string             `json:"public_key_sha256"`
	NotBefore       time.Time          `json:"not_before"`
	NotAfter        time.Time          `json:"not_after"`
	SeenBy          measurement.Client `json:"seen_by"` // whose hello it answers: device | web
}

// Idle bounds how long silence survives a path; an absent bound is not known.
type Idle struct {
	SurvivedSeconds float64           `json:"survived_seconds,omitempty"`
	LostSeconds     float64           `json:"lost_seconds,omitempty"`
	ClosedSeconds   float64           `json:"closed_seconds,omitempty"`
	Reason          report.IdleReason `json:"reason"`
	Why             string            `json:"why,omitempty"`

	behindNAT bool // the address that a device would take
}

// NewView words a report. exporterVersion is the version of the program that made it.
func NewView(r *report.Report, exporterVersion string) *View {
	v := &View{
		SchemaVersion:   SchemaVersion,
		ExporterVersion: text(exporterVersion),
		Site:            text(r.Site),
		Configuration:   text(r.Configuration),
		Resolvers:       each(r.Resolvers, func(server *netip.AddrPort) string { return serverName(*server) }),
		Started:         r.Started,
		Finished:        r.Finished,
		Healthy:         r.Summary.State == report.Up,
		Verdict:         text(verdictText(&r.Summary)),
		Cause:           text(causeText(r)),
		IncompletePaths: r.IncompletePaths,
		AuthorityPath:   text(r.AuthorityPath),
		Hosts:           make([]Host, len(r.Hosts)),
		summary:         &r.Summary,
		state:           report.Unknown,
	}
	if s := r.Summary.State; s == report.Up || s == report.Down {
		v.state = s
	}
	if r.Proxy.Variable != "" {
		v.Proxy = proxyText(r.Proxy)
	}
	for i := range r.Summary.Advice {
		t := task(&r.Summary.Advice[i])
		v.Todo = append(v.Todo, Task{Text: text(t.Text), For: safeTexts(t.For), Paths: t.Paths})
	}
	for i := range r.Hosts {
		v.Hosts[i] = newHost(&r.Hosts[i])
		for j := range r.Hosts[i].Paths {
			v.Hosts[i].Paths[j].Trace = newTrace(r, r.Hosts[i].Endpoint.Host, r.Hosts[i].Paths[j].Path)
		}
	}
	return v
}

func newHost(h *report.Host) Host {
	out := Host{
		Service:   text(h.Endpoint.Service),
		Host:      text(h.Endpoint.Host),
		State:     stateOf(h.Up, h.Known),
		Keepalive: h.Endpoint.Keepalive.Seconds(),
		Paths:     make([]Path, len(h.Paths)),
		Advice:    each(h.Advice, func(a *report.Advice) string { return text(task(a).Text) }),
		key:       h.Endpoint.Key(),
	}
	for i := range h.Resolvers {
		out.Resolvers = append(out.Resolvers, newResolver(h, &h.Resolvers[i]))
	}
	if z := &h.Zone; z.Known || z.Failure != "" {
		out.Authority = &Authority{TTLSeconds: z.TTL.Seconds(), Why: text(ZoneText(z)), Addresses: addresses(z.Addresses)}
	}
	for i := range h.Paths {
		out.Paths[i] = newPath(h, &h.Paths[i])
	}
	return out
}

func newResolver(h *report.Host, r *report.Resolver) Resolver {
	out := Resolver{
		Resolver:      address(r.Lookup.Resolver),
		Addresses:     addresses(r.Lookup.Addresses),
		LookupSeconds: r.Lookup.Took.Seconds(),
		Failure:       text(r.Lookup.Failure),
		Detail:        lookupDetail(h.Endpoint, &r.Lookup),
		Changes:       r.Changes,
		Verdict:       text(r.Staleness.Verdict),
		Why:           text(resolverText(r)),
		Withdrawn:     addresses(r.Staleness.Withdrawn),
		name:          serverName(r.Lookup.Resolver),
	}
	for _, a := range r.Lookup.Addresses {
		if slices.ContainsFunc(h.Paths, func(p report.Path) bool {
			return slices.ContainsFunc(p.Walks, func(w report.Walk) bool { return w.Finding.Reason == reason.Sinkhole && w.Outcome.Address.Addr() == a })
		}) {
			out.sinkholes = append(out.sinkholes, address(a))
		}
	}
	if len(r.Lookup.Addresses) > 0 {
		ttl := r.Lookup.TTL.Seconds()
		out.TTLSeconds = &ttl
	}
	if !r.Staleness.Ready.IsZero() {
		out.Ready = &r.Staleness.Ready
	}
	return out
}

func newPath(h *report.Host, p *report.Path) Path {
	out := Path{
		Transport: text(p.Transport),
		Port:      p.Port,
		State:     stateOf(p.Up, p.Known),
		Unproven:  p.Unproven,
		Unjudged:  p.Unjudged,
		Reason:    text(p.Finding.Reason),
		Class:     p.Finding.Reason.Class(),
		Seen:      text(pathFindingText(h, p)),
		Omitted:   p.Omitted,
	}
	if p.Finding.Reason != reason.OK || p.Unproven || p.Unjudged {
		out.Advice = text(pathAdviceText(h, p))
	}
	for i := range p.Walks {
		out.Addresses = append(out.Addresses, newAddress(&p.Walks[i]))
	}
	if b := p.Idle; b != nil {
		out.Idle = &Idle{
			SurvivedSeconds: b.Survived.Seconds(), LostSeconds: b.Lost.Seconds(), ClosedSeconds: b.Closed.Seconds(),
			Reason: text(b.Reason), Why: text(IdleText(b)), behindNAT: len(p.Walks) > 0 && p.Walks[0].Outcome.BehindNAT(),
		}
	}
	return out
}

func newAddress(w *report.Walk) Address {
	o := &w.Outcome
	out := Address{
		Address:         address(o.Address.Addr()),
		BehindNAT:       o.BehindNAT(),
		Withdrawn:       w.Withdrawn,
		Unproven:        w.Unproven,
		Unjudged:        w.Judgement.Unjudged && w.Finding.Reason == reason.OK,
		Reason:          text(w.Finding.Reason),
		Class:           w.Finding.Reason.Class(),
		Seen:            FindingText(&w.Finding),
		Detail:          text(detailText(o.Detail)),
		RTTSeconds:      o.RTT.Seconds(),
		FirstReply:      o.FirstReply.Seconds(),
		Retransmissions: o.Retransmissions,
		started:         o.Started,
		finding:         w.Finding,
		detail:          o.Detail,
	}
	if o.Local.IsValid() {
		out.Local = address(o.Local.Addr())
	}
	for _, t := range o.Times {
		if out.Seconds == nil {
			out.Seconds = make(map[string]float64, len(o.Times))
		}
		out.Seconds[string(text(t.Phase))] = t.Took.Seconds()
	}
	switch finished, tried := o.Finished(); {
	case finished:
		out.Session = sessionFinished
	case tried:
		out.Session = sessionUnfinished
	}
	switch {
	case o.Ponged:
		out.CoAP = pingAnswered
	case o.Pinged:
		out.CoAP = pingUnanswered
	}
	if j := &w.Judgement; j.Seen {
		out.Certificate = &Certificate{
			Authentic: j.Authentic, MachineRoot: j.MachineRoot, Issuer: text(j.Issuer), Subject: text(j.Subject), Expected: text(j.Expected),
			Chain: safeTexts(j.Chain), PublicKeySHA256: text(j.PublicKeySHA256), NotBefore: j.NotBefore, NotAfter: j.NotAfter, SeenBy: text(o.SawTLS().Client),
		}
	}
	return out
}

// safeTexts makes texts from the network safe to show; nil for none.
func safeTexts(list []string) []string {
	return each(list, func(s *string) string { return text(*s) })
}

func stateOf(up, known bool) report.State {
	switch {
	case !known:
		return report.Unknown
	case up:
		return report.Up
	}
	return report.Down
}

// anyProbed reports whether the table of hosts is of use: otherwise one cause kept every path from being probed, and
// stands above it.
func (v *View) anyProbed() bool { return v.summary.Probed || v.summary.Cause == report.CauseNone }
