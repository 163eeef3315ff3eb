// Package present shows a report to people and programs outside Prometheus: as JSON, as a web page, as a table for a
// terminal, and as Markdown to forward. All four are views of one model, [View].
package present

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
	"github.com/endpoint-exporter/endpoint_exporter/internal/staleness"
)

// View is a report in the form that programs read: /api/v1/report and `check --output=json`. Times are RFC 3339,
// durations are seconds, and what is not known is absent.
type View struct {
	Site            string    `json:"site"`
	Started         time.Time `json:"started"`
	Finished        time.Time `json:"finished"`
	Healthy         bool      `json:"healthy"`         // every path carries a device, every resolver answers, and none is proved stale
	Verdict         string    `json:"verdict"`         // how the site stands, in one sentence
	Cause           string    `json:"cause,omitempty"` // why everything fails, where one thing explains it
	Todo            []Task    `json:"todo,omitempty"`  // what a person should do, worst first, each cause once
	IncompletePaths int       `json:"incomplete_paths"`
	AuthorityPath   string    `json:"authority_path,omitempty"`
	Hosts           []Host    `json:"hosts"`
}

// Host is one endpoint.
type Host struct {
	Service   string     `json:"service"`
	Host      string     `json:"host"`
	State     State      `json:"state"`
	Keepalive float64    `json:"keepalive_seconds,omitempty"`
	Resolvers []Resolver `json:"resolvers,omitempty"`
	Authority *Authority `json:"authority,omitempty"`
	Paths     []Path     `json:"paths"`
	Advice    []string   `json:"advice,omitempty"`

	compared []diagnose.Comparison // Advice, with what it covers
}

// State is up, down or unknown (the deadline came first).
type State string

const (
	Up      State = "up"
	Down    State = "down"
	Unknown State = "unknown"
)

// Resolver is a host at one of the site's DNS servers.
type Resolver struct {
	Resolver      string     `json:"resolver"`
	Addresses     []string   `json:"addresses,omitempty"`
	TTLSeconds    *float64   `json:"ttl_seconds,omitempty"`
	LookupSeconds float64    `json:"lookup_seconds"`
	Failure       string     `json:"failure,omitempty"`
	Detail        string     `json:"detail,omitempty"`
	Changes       uint64     `json:"address_changes"`
	Verdict       string     `json:"verdict,omitempty"`
	Why           string     `json:"why,omitempty"`
	Withdrawn     []string   `json:"withdrawn_addresses,omitempty"`
	Ready         *time.Time `json:"verdict_expected,omitempty"`

	shown  string   // the resolver as a person names it: without the usual port
	astray []string // those of Addresses that cannot be the cloud
}

// Authority is what the zone's own servers say.
type Authority struct {
	TTLSeconds float64  `json:"ttl_seconds,omitempty"`
	Addresses  []string `json:"addresses,omitempty"`
	Why        string   `json:"why,omitempty"`
}

// Path is one way to a host.
type Path struct {
	Transport string          `json:"transport"`
	Port      uint16          `json:"port"`
	State     State           `json:"state"`
	Reason    diagnose.Reason `json:"reason,omitempty"`
	Class     diagnose.Class  `json:"class,omitempty"`
	Seen      string          `json:"seen,omitempty"`
	Advice    string          `json:"advice,omitempty"`
	Omitted   int             `json:"omitted_addresses,omitempty"`
	Addresses []Address       `json:"addresses,omitempty"`
	Idle      *Idle           `json:"idle,omitempty"`

	finding diagnose.Finding // of the path as a whole, its texts made safe
}

// Address is a path to one address; the first of a path is the one that a device would take now.
type Address struct {
	Address         string             `json:"address"`
	Local           string             `json:"local,omitempty"`
	BehindNAT       bool               `json:"behind_nat,omitempty"` // a private local address towards a public one
	Withdrawn       bool               `json:"withdrawn,omitempty"`
	Reason          diagnose.Reason    `json:"reason,omitempty"`
	Class           diagnose.Class     `json:"class,omitempty"`
	Seen            string             `json:"seen,omitempty"`
	Detail          string             `json:"detail,omitempty"`
	Seconds         map[string]float64 `json:"seconds,omitempty"` // by phase
	RTTSeconds      float64            `json:"rtt_seconds,omitempty"`
	FirstReply      float64            `json:"first_reply_seconds,omitempty"`
	Retransmissions int                `json:"retransmissions,omitempty"`
	Session         string             `json:"session,omitempty"` // finished | unfinished; absent if it did not come to that
	CoAP            string             `json:"coap,omitempty"`    // answered | unanswered
	Certificate     *Certificate       `json:"certificate,omitempty"`

	started time.Time
	finding diagnose.Finding // its texts made safe
}

// Certificate is who answered.
type Certificate struct {
	Authentic       bool      `json:"authentic"`
	Issuer          string    `json:"issuer"`
	Subject         string    `json:"subject"`
	Expected        string    `json:"expected,omitempty"`
	PublicKeySHA256 string    `json:"public_key_sha256"`
	NotBefore       time.Time `json:"not_before"`
	NotAfter        time.Time `json:"not_after"`
	SeenBy          string    `json:"seen_by"` // whose hello saw it: device | web
}

// Idle bounds how long silence survives a path; an absent bound is not known.
type Idle struct {
	SurvivedSeconds float64 `json:"survived_seconds,omitempty"`
	LostSeconds     float64 `json:"lost_seconds,omitempty"`
	ClosedSeconds   float64 `json:"closed_seconds,omitempty"`
	Reason          string  `json:"reason"`
	Why             string  `json:"why,omitempty"`

	nat bool // the address that a device would take is behind one
}

// JSON writes a report for programs.
func JSON(w io.Writer, rep *report.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(NewView(rep))
}

// NewView makes the model of a report. Every text in it is safe to show, whatever the report holds.
func NewView(r *report.Report) *View {
	v := &View{
		Site:            text(r.Site),
		Started:         r.Started,
		Finished:        r.Finished,
		Healthy:         len(r.Hosts) > 0,
		IncompletePaths: r.IncompletePaths,
		AuthorityPath:   string(r.AuthorityPath),
		Hosts:           make([]Host, len(r.Hosts)),
	}
	for i := range r.Hosts {
		v.Hosts[i] = newHost(&r.Hosts[i])
		v.Healthy = v.Healthy && v.Hosts[i].healthy()
	}
	v.judge()
	return v
}

// maxSentence bounds the texts that hold several others.
const maxSentence = 2000

// maxAddress bounds an address with port: the longest there is without a zone.
const maxAddress = len("[2001:db8:1111:2222:3333:4444:5555:6666]:65535")

// address makes an address safe to show: its zone is text.
func address(a fmt.Stringer) string { return measurement.Printable(a.String(), maxAddress) }

// text makes a text safe to show.
func text(s string) string { return measurement.Printable(s, maxSentence) }

// healthy: every path carries a device, each of its addresses too, and no resolver is proved stale or silent.
func (h *Host) healthy() bool {
	for i := range h.Paths {
		if h.Paths[i].State != Up {
			return false
		}
		for j := range h.Paths[i].Addresses {
			if h.Paths[i].Addresses[j].Reason != diagnose.OK {
				return false
			}
		}
	}
	for i := range h.Resolvers {
		if h.Resolvers[i].stale() || h.Resolvers[i].Failure != "" {
			return false
		}
	}
	return true
}

func newHost(h *report.Host) Host {
	out := Host{
		Service: text(h.Endpoint.Service),
		Host:    text(h.Endpoint.Host),
		State:   stateOf(h.Up, h.Known),
		Paths:   make([]Path, len(h.Paths)),

		Keepalive: h.Endpoint.Keepalive.Seconds(),
	}
	for _, advice := range h.Advice {
		advice.Text = text(advice.Text)
		out.Advice = append(out.Advice, advice.Text)
		out.compared = append(out.compared, advice)
	}
	for i := range h.Resolvers {
		out.Resolvers = append(out.Resolvers, newResolver(&h.Resolvers[i]))
	}
	if a := &h.Zone; a.Known || a.Failure != "" {
		out.Authority = &Authority{TTLSeconds: a.TTL.Seconds(), Why: ZoneText(a), Addresses: addresses(a.Addresses)}
	}
	for i := range h.Paths {
		out.Paths[i] = newPath(&h.Paths[i])
	}
	for i := range out.Resolvers {
		r := &out.Resolvers[i]
		for _, address := range r.Addresses {
			if out.sinkhole(address) {
				r.astray = append(r.astray, address)
			}
		}
	}
	return out
}

// sinkhole: the address cannot be the cloud, and was not called.
func (h *Host) sinkhole(address string) bool {
	return slices.ContainsFunc(h.Paths, func(p Path) bool {
		return slices.ContainsFunc(p.Addresses, func(a Address) bool { return a.Address == address && a.Reason == diagnose.Sinkhole })
	})
}

func newResolver(r *report.Resolver) Resolver {
	out := Resolver{
		Resolver:      address(r.Lookup.Resolver),
		Addresses:     addresses(r.Lookup.Addresses),
		LookupSeconds: r.Lookup.Took.Seconds(),
		Failure:       string(r.Lookup.Failure),
		Detail:        dnsDetailText(r.Lookup.Detail),
		Changes:       r.Changes,
		Verdict:       string(r.Staleness.Verdict),
		Why:           StalenessText(&r.Staleness),
		Withdrawn:     addresses(r.Staleness.Withdrawn),
		shown:         shown(r.Lookup.Resolver),
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

// shown leaves the usual port of a DNS server out.
func shown(r netip.AddrPort) string {
	if r.Port() == 53 {
		return address(r.Addr())
	}
	return address(r)
}

func (r *Resolver) stale() bool { return r.Verdict == string(staleness.Stale) }

func (r *Resolver) suspect() bool { return r.Verdict == string(staleness.Suspect) }

// cutOff: the round ended before the resolver's answer, which says nothing about it.
func (r *Resolver) cutOff() bool { return r.Failure == string(measurement.DNSOutOfTime) }

// failed: the resolver gave no address.
func (r *Resolver) failed() bool { return r.Failure != "" && !r.cutOff() }

func newPath(p *report.Path) Path {
	out := Path{
		Transport: string(p.Transport),
		Port:      p.Port,
		State:     stateOf(p.Up, p.Known),
		Omitted:   p.Omitted,
		finding:   safe(p.Finding),
	}
	out.Reason, out.Class, out.Seen, out.Advice = out.finding.Reason, out.finding.Class, out.finding.Summary, out.finding.Advice
	for i := range p.Walks {
		out.Addresses = append(out.Addresses, newAddress(&p.Walks[i]))
	}
	if b := p.Idle; b != nil {
		out.Idle = &Idle{
			SurvivedSeconds: b.Survived.Seconds(), LostSeconds: b.Lost.Seconds(), ClosedSeconds: b.Closed.Seconds(),
			Reason: text(string(b.Reason)), Why: IdleText(b), nat: len(p.Walks) > 0 && p.Walks[0].Outcome.BehindNAT(),
		}
	}
	return out
}

// safe makes a finding's texts safe to show.
func safe(f diagnose.Finding) diagnose.Finding {
	f.Summary, f.Advice, f.Where = text(f.Summary), text(f.Advice), text(f.Where)
	return f
}

func newAddress(w *report.Walk) Address {
	o := &w.Outcome
	out := Address{
		Address:         address(o.Address.Addr()),
		BehindNAT:       o.BehindNAT(),
		Withdrawn:       w.Withdrawn,
		Detail:          detailText(o.Detail),
		RTTSeconds:      o.RTT.Seconds(),
		FirstReply:      o.FirstReply.Seconds(),
		Retransmissions: o.Retransmissions,
		started:         o.Started,
		finding:         safe(w.Finding),
	}
	out.Reason, out.Class, out.Seen = out.finding.Reason, out.finding.Class, out.finding.Summary
	if o.Local.IsValid() {
		out.Local = address(o.Local.Addr())
	}
	for _, t := range o.Times {
		if out.Seconds == nil {
			out.Seconds = make(map[string]float64, len(o.Times))
		}
		out.Seconds[string(t.Phase)] = t.Took.Seconds()
	}
	switch finished, tried := o.Finished(); {
	case finished:
		out.Session = "finished"
	case tried:
		out.Session = "unfinished"
	}
	switch {
	case o.Ponged:
		out.CoAP = "answered"
	case o.Pinged:
		out.CoAP = "unanswered"
	}
	if j := &w.Judgement; j.Seen {
		_, by := o.SawTLS()
		out.Certificate = &Certificate{
			Authentic: j.Authentic, Issuer: text(j.Issuer), Subject: text(j.Subject), Expected: text(j.Expected),
			PublicKeySHA256: text(j.PublicKeySHA256), NotBefore: j.NotBefore, NotAfter: j.NotAfter, SeenBy: string(by),
		}
	}
	return out
}

func stateOf(up, known bool) State {
	switch {
	case !known:
		return Unknown
	case up:
		return Up
	}
	return Down
}

// handshake is connect and hello together, in seconds; ok is false unless the hello was answered.
func (a *Address) handshake() (seconds float64, ok bool) {
	hello, ok := a.Seconds[string(measurement.Hello)]
	return a.Seconds[string(measurement.Connect)] + hello, ok
}

// addresses writes addresses, safe to show.
func addresses(of []netip.Addr) []string {
	var out []string
	for _, a := range of {
		out = append(out, address(a))
	}
	return out
}
