package present

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// Task is one thing to do, for one cause.
type Task struct {
	Text string `json:"text"`
	// For lists what else the text is about, one place or host each: "the paths below", or the others it goes for too.
	For []string `json:"for,omitempty"`
}

// Ranks of tasks, the most urgent first.
const (
	rankCause = iota
	rankInterception
	rankStale
	rankBlocked
	rankServer
	rankCertificate
	rankDNS
	rankSilence
	rankSurvey
)

var rankOf = map[diagnose.Class]int{
	diagnose.ClassInterception: rankInterception,
	diagnose.ClassBlocked:      rankBlocked,
	diagnose.ClassServer:       rankServer,
	diagnose.ClassCertificate:  rankCertificate,
	diagnose.ClassDNS:          rankDNS,
	diagnose.ClassSurvey:       rankSurvey,
}

// group is one task in the making: the same sentence about several places.
type group struct {
	key    string // the sentence with its place left out
	rank   int
	text   string // the sentence as first said, with its place
	where  string // that place
	places places // of paths
	hosts  []string
}

// groups gathers sentences by what they say beside the place they name.
type groups struct{ list []*group }

func (g *groups) of(rank int, text, where string) *group {
	key := text
	if where != "" {
		key = strings.ReplaceAll(text, where, "\x00")
	}
	for _, known := range g.list {
		if known.key == key && known.rank == rank {
			return known
		}
	}
	added := &group{key: key, rank: rank, text: text, where: where}
	g.list = append(g.list, added)
	return added
}

// path adds advice about one address on one path.
func (g *groups) path(rank int, advice diagnose.Finding, host string, p *Path, address *Address) {
	in := g.of(rank, advice.Advice, advice.Where)
	in.places.addPath(host, p, func(a *Address) bool { return a == address })
}

// host adds a sentence about a host.
func (g *groups) host(rank int, text, host string) {
	in := g.of(rank, text, host)
	if !slices.Contains(in.hosts, host) {
		in.hosts = append(in.hosts, host)
	}
}

// task writes a group: about one place as it was said, about more with a list.
func (g *group) task() Task {
	t := Task{Text: g.text}
	if lines := g.places.lines(); len(lines) > 0 {
		switch {
		case g.where == "":
			t.For = lines
		case len(lines) == 1:
			t.Text = strings.ReplaceAll(g.text, g.where, lines[0])
		default:
			t.Text, t.For = strings.ReplaceAll(g.text, g.where, "the paths below"), lines
		}
		return t
	}
	if len(g.hosts) > 1 {
		t.Text, t.For = g.text+" The same goes for:", g.hosts[1:]
	}
	return t
}

// tasks lists what a person should do, each cause once, worst first. What one cause explains is not said again.
func (v *View) tasks(servers []*server, cause cause) []Task {
	var g groups
	for i := range v.Hosts {
		h := &v.Hosts[i]
		for j := range h.Paths {
			h.adviseOnPath(&g, &h.Paths[j], cause)
			h.adviseOnSilence(&g, &h.Paths[j])
		}
		for _, advice := range h.compared {
			if cause.class != diagnose.ClassBlocked {
				g.host(rankOf[advice.Class], advice.Text, h.Host)
			}
		}
		h.adviseOnResolvers(&g)
	}
	if cause.class != diagnose.ClassDNS {
		for _, s := range servers {
			s.advise(&g)
		}
	}
	slices.SortStableFunc(g.list, func(a, b *group) int { return cmp.Compare(a.rank, b.rank) })
	var out []Task
	if cause.text != "" {
		out = append(out, cause.task)
	}
	for _, one := range g.list {
		out = append(out, one.task())
	}
	return out
}

// adviseOnPath adds what to do about a path: about each of its addresses, or about the whole where it has none.
func (h *Host) adviseOnPath(g *groups, p *Path, cause cause) {
	skip := func(f *diagnose.Finding) bool {
		return f.Reason == diagnose.OK || f.Advice == "" || f.Class == cause.class ||
			f.Class == diagnose.ClassBlocked && h.covers(p)
	}
	if len(p.Addresses) == 0 && !skip(&p.finding) {
		g.host(rankOf[p.Class], p.finding.Advice, h.Host)
	}
	for i := range p.Addresses {
		a := &p.Addresses[i]
		switch {
		case a.Withdrawn || skip(&a.finding):
		case a.finding.Where == h.Host:
			g.host(rankOf[a.Class], a.finding.Advice, h.Host)
		default:
			g.path(rankOf[a.Class], a.finding, h.Host, p, a)
		}
	}
}

// adviseOnSilence adds what to do about a path that forgets a silent connection sooner than the host's devices speak.
// Over UDP they send no keepalive.
func (h *Host) adviseOnSilence(g *groups, p *Path) {
	if p.Transport != string(measurement.TCP) || p.Idle == nil || p.Idle.LostSeconds == 0 || p.Idle.LostSeconds > h.Keepalive {
		return
	}
	where := p.name() + " to " + h.Host
	text := fmt.Sprintf("A connection that is silent for %g s is forgotten on %s, and devices speak every %g s: they drop off without a word. "+
		"Set their keepalive below %g s, or ask the network's owner to keep idle connections for longer than %g s.",
		p.Idle.LostSeconds, where, h.Keepalive, p.Idle.LostSeconds, h.Keepalive)
	in := g.of(rankSilence, text, where)
	in.places.addPath(h.Host, p, func(*Address) bool { return false })
}

// covers reports whether one of the host's comparing sentences says what to do about a blocked path: it knows more than
// the path's own advice.
func (h *Host) covers(p *Path) bool {
	this := measurement.Path{Transport: measurement.Transport(p.Transport), Port: p.Port}
	return slices.ContainsFunc(h.compared, func(c diagnose.Comparison) bool { return slices.Contains(c.Covers, this) })
}

// adviseOnResolvers adds what to do about DNS servers that keep a host's records too long, or are suspected of it and
// give an address that fails.
func (h *Host) adviseOnResolvers(g *groups) {
	for i := range h.Resolvers {
		r := &h.Resolvers[i]
		if r.stale() || len(r.Withdrawn) > 0 && h.withdrawnFails() {
			in := g.of(rankStale, "DNS server "+r.shown+" keeps records too long", "")
			if len(in.hosts) == 0 {
				in.text = sentence("DNS server " + r.shown + ", " + h.Host + ": " + r.Why)
			}
			in.hosts = append(in.hosts, h.Host)
		}
	}
}

// withdrawnFails reports whether an address that the zone has withdrawn fails on some path.
func (h *Host) withdrawnFails() bool {
	for i := range h.Paths {
		if slices.ContainsFunc(h.Paths[i].Addresses, func(a Address) bool { return a.Withdrawn && a.Reason != diagnose.OK }) {
			return true
		}
	}
	return false
}

// advise adds what to do about a DNS server that gives no address where others do.
func (s *server) advise(g *groups) {
	switch {
	case len(s.alone) == 0:
	case s.silent():
		g.of(rankDNS, fmt.Sprintf("DNS server %s does not answer (%s): devices that are given it wait, or find nothing. "+
			"Mend it, or take it out of what DHCP hands out.", s.name, s.why()), "")
	default:
		in := g.of(rankDNS, fmt.Sprintf("DNS server %s. Devices that ask it cannot find %s: ask whoever runs it to let the name resolve.",
			s.words(), s.alone[0]), s.alone[0])
		in.hosts = append(in.hosts, s.alone...)
	}
}

// sentence closes a text with a full stop.
func sentence(s string) string {
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
