package present

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/endpoint-exporter/endpoint_exporter/internal/diagnose"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// judge says how the site stands, why if one thing explains it all, and what to do.
func (v *View) judge() {
	servers := v.servers()
	cause := v.siteCause(servers)
	v.Cause = cause.text
	v.Verdict = v.verdict(servers)
	v.Todo = v.tasks(servers, cause)
}

// server is one of the site's DNS servers, over all hosts.
type server struct {
	name          string
	asked, cutOff int
	failures      []string // kinds, each once
	failing       []string // hosts that it gives no address of
	alone         []string // those of them that another server does give an address of
	stale         bool     // for any host
	suspect       bool     // the same
}

// dead: it failed for every host that it was asked for.
func (s *server) dead() bool { return s.asked > s.cutOff && len(s.failing) == s.asked-s.cutOff }

// silent: it is dead, and nothing came back from it.
func (s *server) silent() bool {
	return s.dead() && !slices.ContainsFunc(s.failures, func(f string) bool {
		return f != string(measurement.DNSTimeout) && f != string(measurement.DNSUnreachable)
	})
}

// words names the server and its failures: "192.0.2.53: no answer in time".
func (s *server) words() string { return s.name + ": " + s.why() }

// why names the failures alone.
func (s *server) why() string {
	said := make([]string, len(s.failures))
	for i, f := range s.failures {
		said[i] = diagnose.DNSWords(measurement.DNSFailure(f))
	}
	return strings.Join(said, "; ")
}

// dig is the command that asks the server for a host.
func (s *server) dig(host string) string {
	if at, err := netip.ParseAddrPort(s.name); err == nil {
		return fmt.Sprintf("dig @%s -p %d %s", at.Addr(), at.Port(), host)
	}
	return fmt.Sprintf("dig @%s %s", s.name, host)
}

// servers gathers the DNS servers in the order in which devices ask them.
func (v *View) servers() []*server {
	var out []*server
	for i := range v.Hosts {
		for j := range v.Hosts[i].Resolvers {
			r := &v.Hosts[i].Resolvers[j]
			at := slices.IndexFunc(out, func(s *server) bool { return s.name == r.shown })
			if at < 0 {
				at = len(out)
				out = append(out, &server{name: r.shown})
			}
			s := out[at]
			s.asked++
			s.stale, s.suspect = s.stale || r.stale(), s.suspect || r.suspect()
			switch {
			case r.cutOff():
				s.cutOff++
			case r.failed():
				s.failing = append(s.failing, v.Hosts[i].Host)
				if v.Hosts[i].resolved() {
					s.alone = append(s.alone, v.Hosts[i].Host)
				}
				if !slices.Contains(s.failures, r.Failure) {
					s.failures = append(s.failures, r.Failure)
				}
			}
		}
	}
	return out
}

// resolved: some server gave an address of the host.
func (h *Host) resolved() bool {
	return slices.ContainsFunc(h.Resolvers, func(r Resolver) bool { return len(r.Addresses) > 0 })
}

// cause is one thing that explains why no path carries a device.
type cause struct {
	text string // "" if there is no such thing
	task Task
	// class is the class of the failures that it explains: their own advice is not given beside it.
	class diagnose.Class
}

// siteCause looks for one cause of everything: DNS servers that give no address at all, or a network that lets nothing out.
func (v *View) siteCause(servers []*server) cause {
	switch {
	case len(v.Hosts) == 0:
		return cause{}
	case v.all(func(p *Path) bool { return p.Reason == diagnose.OutOfTime && len(p.Addresses) == 0 }):
		return cause{
			text:  "No DNS server answered in the time that the round had: this says nothing about the paths.",
			task:  Task{Text: "Try again. If it lasts, look at the site's DNS servers, or raise survey.timeout and the scrape's timeout."},
			class: diagnose.ClassSurvey,
		}
	case v.all(func(p *Path) bool { return p.Class == diagnose.ClassDNS }):
		return v.namesCause(servers)
	case len(v.Hosts) > 1 && v.all(func(p *Path) bool { return p.Class == diagnose.ClassBlocked && p.none() }):
		return v.blockedCause()
	}
	return cause{}
}

// all reports whether every path has a property.
func (v *View) all(is func(*Path) bool) bool {
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			if !is(&v.Hosts[i].Paths[j]) {
				return false
			}
		}
	}
	return true
}

// none: no address of the path carries a device.
func (p *Path) none() bool {
	return !slices.ContainsFunc(p.Addresses, func(a Address) bool { return a.Reason == diagnose.OK && !a.Withdrawn })
}

// opens: a connection to some address of the path was opened, whatever came of it then.
func (p *Path) opens() bool {
	return slices.ContainsFunc(p.Addresses, func(a Address) bool { _, connected := a.Seconds[string(measurement.Connect)]; return connected })
}

// namesCause speaks of a site whose DNS servers give no address of any host.
func (v *View) namesCause(servers []*server) cause {
	hosts := plural(len(v.Hosts), "the host", fmt.Sprintf("any of the %d hosts", len(v.Hosts)))
	none := plural(len(v.Hosts), "the host could not", fmt.Sprintf("none of the %d hosts could", len(v.Hosts)))
	out := cause{class: diagnose.ClassDNS}
	if len(servers) == 0 {
		out.text = "No DNS server is known, so nothing could be looked up and no path could be walked."
		out.task.Text = "Name the site's DNS servers in the configuration (resolvers: [ADDRESS]), or mend /etc/resolv.conf."
		return out
	}
	silent, same := true, servers[0].failures
	var said []string
	for _, s := range servers {
		silent = silent && s.silent()
		if !slices.Equal(s.failures, same) {
			same = nil
		}
		said = append(said, s.words())
	}
	them := plural(len(servers), "the DNS server", "the DNS servers")
	switch {
	case silent:
		out.text = fmt.Sprintf("%s not answer (%s), so %s be found and no path could be walked.",
			plural(len(servers), "The site's DNS server does", "The site's DNS servers do"), strings.Join(said, "; "), none)
		out.task.Text = fmt.Sprintf("First check that this machine is on the network at all: cable or signal, then its address, its default route and %[1]s, "+
			"by the commands below. If it is, ask the network's owner why %[1]s (UDP and TCP 53) cannot be reached: "+
			"devices at this site cannot find the cloud either.", them)
		out.task.For = []string{"ip address", "ip route", servers[0].dig(v.Hosts[0].Host)}
	case len(v.Hosts) == 1:
		return cause{} // one name that does not resolve is that name's matter
	case len(same) == 1 && same[0] == string(measurement.DNSServFail):
		out.text = fmt.Sprintf("The site's DNS answers, but cannot find %s (%s), so no path could be walked.", hosts, strings.Join(said, "; "))
		out.task.Text = fmt.Sprintf("Most likely %s no way to the Internet: ask whoever runs the site's DNS to check that (UDP and TCP 53 outbound, its forwarders). "+
			"This command shows what it answers:", plural(len(servers), "the DNS server itself has", "the DNS servers themselves have"))
		out.task.For = []string{servers[0].dig(v.Hosts[0].Host)}
	case len(same) == 1 && same[0] == string(measurement.DNSRefused):
		out.text = fmt.Sprintf("The site's DNS refuses to answer this machine (%s), so %s be found.", strings.Join(said, "; "), none)
		out.task.Text = fmt.Sprintf("Ask whoever runs %s to answer queries from this machine and from the devices, or name another under resolvers.", them)
	default:
		out.text = fmt.Sprintf("The site's DNS gives no address of %s (%s), so no path could be walked.", hosts, strings.Join(said, "; "))
		out.task.Text = fmt.Sprintf("Ask whoever runs the site's DNS servers to let the names of all %d hosts resolve: they may filter, or serve a closed network. "+
			"This command shows what they answer:", len(v.Hosts))
		out.task.For = []string{servers[0].dig(v.Hosts[0].Host)}
	}
	return out
}

// blockedCause speaks of a site that lets nothing out.
func (v *View) blockedCause() cause {
	out := cause{class: diagnose.ClassBlocked}
	if v.all(func(p *Path) bool { return len(p.Addresses) == 0 }) {
		out.text = fmt.Sprintf("This machine has no route to any address of the %d hosts.", len(v.Hosts))
		out.task.Text = "Check that this machine is on the network: cable or signal, then its address and its default route, by these commands:"
		out.task.For = []string{"ip address", "ip route"}
		return out
	}
	blocked := fmt.Sprintf("every path to every one of the %d hosts is blocked", len(v.Hosts))
	out.text = "Nothing gets out: " + blocked + "."
	unfiltered := ""
	if !v.all(func(p *Path) bool { return !p.opens() }) {
		out.text = "Nothing gets through: " + blocked + "; where a TCP connection opens, the handshake is stopped."
		unfiltered = ", without TLS inspection or application filtering"
	}
	out.task.Text = "First check that this machine reaches the Internet at all, as by any web site. " +
		"If it does, ask the network's owner to allow the paths below outbound, replies included" + unfiltered + "."
	var places places
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			places.addPath(v.Hosts[i].Host, &v.Hosts[i].Paths[j], func(*Address) bool { return true })
		}
	}
	out.task.For = places.lines()
	return out
}

// classWords says what became of a path, by class, worst first.
var classWords = []struct {
	class diagnose.Class
	words string
}{
	{diagnose.ClassInterception, "intercepted"},
	{diagnose.ClassBlocked, "blocked"},
	{diagnose.ClassServer, "wrongly answered"},
	{diagnose.ClassCertificate, "with a bad certificate"},
	{diagnose.ClassDNS, "without an address"},
	{diagnose.ClassSurvey, "not known"},
}

// notKnown begins the verdict where nothing is known to be wrong, but not everything to be well.
const notKnown = "Not all is known: "

// tally counts paths by what became of them.
type tally struct {
	all, up, unknown int
	partly           int                    // of those that are up: paths with an address that fails
	diverted         int                    // by DNS, to what cannot be the cloud
	byClass          map[diagnose.Class]int // but for those diverted
}

func (v *View) tally() tally {
	t := tally{byClass: make(map[diagnose.Class]int)}
	for i := range v.Hosts {
		for j := range v.Hosts[i].Paths {
			p := &v.Hosts[i].Paths[j]
			t.all++
			if p.Reason == diagnose.Sinkhole {
				t.diverted++
			} else {
				t.byClass[p.Class]++
			}
			switch p.State {
			case Up:
				t.up++
				if slices.ContainsFunc(p.Addresses, func(a Address) bool { return a.Reason != diagnose.OK }) {
					t.partly++
				}
			case Unknown:
				t.unknown++
			}
		}
	}
	return t
}

// words says how many paths carry a device, and what became of the others.
func (t *tally) words() string {
	switch {
	case t.all == 0:
		return "nothing was looked at"
	case t.unknown == t.all:
		return plural(t.all, "the path was not walked to its end", fmt.Sprintf("none of the %d paths was walked to its end", t.all))
	}
	paths := fmt.Sprintf("%d of %d paths %s a device", t.up, t.all, plural(t.up, "carries", "carry"))
	switch t.up {
	case t.all:
		paths = plural(t.all, "the path carries a device", fmt.Sprintf("all %d paths carry a device", t.all))
	case 0:
		paths = plural(t.all, "the path does not carry a device", fmt.Sprintf("none of the %d paths carries a device", t.all))
	}
	var fates []string
	if t.diverted > 0 {
		fates = append(fates, fmt.Sprintf("%d diverted by DNS", t.diverted))
	}
	for _, c := range classWords {
		if n := t.byClass[c.class]; n > 0 {
			fates = append(fates, fmt.Sprintf("%d %s", n, c.words))
		}
	}
	if len(fates) > 0 {
		paths += " (" + strings.Join(fates, ", ") + ")"
	}
	return paths
}

// verdict says in one sentence how the site stands.
func (v *View) verdict(servers []*server) string {
	t := v.tally()
	said := []string{t.words()}
	if t.partly > 0 {
		said = append(said, "some addresses fail on "+plural(t.partly, "1 path", fmt.Sprintf("%d paths", t.partly)))
	}
	wrong, suspected := t.up+t.unknown < t.all || t.partly > 0, false
	for _, s := range servers {
		switch {
		case s.stale:
			said = append(said, "DNS server "+s.name+" keeps records too long")
			wrong = true
		case len(s.alone) > 0:
			said = append(said, "DNS server "+s.name+" fails")
			wrong = true
		case s.suspect:
			said = append(said, "DNS server "+s.name+" is suspected of keeping records too long")
			suspected = true
		}
	}
	start := "Something is wrong: "
	switch {
	case v.Healthy && suspected:
		start = "Nothing is proved wrong: "
	case v.Healthy:
		start = "All is well: "
	case !wrong:
		start = notKnown
	}
	return start + strings.Join(said, "; ")
}

// plural chooses between one and many.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
