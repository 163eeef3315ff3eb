package lab

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
)

// Options configure a lab; the zero value is the seven hosts, without faults, on free ports of loopback.
type Options struct {
	Hosts     []Host // nil: Izuma()
	Addresses int    // per host; 0: 1
	TTL       uint32 // of the hosts' records, in seconds; 0: 60
	// Records replaces the records of a host, by its name without the final dot; a set without Addresses or CNAME
	// keeps the host's addresses.
	Records   map[string]RecordSet
	Device    uint16           // port that stands for 5684; 0 picks one
	Web       uint16           // port that stands for 443; 0 picks one
	CoAP      CoAP             // of the device servers
	IdleLimit time.Duration    // after which the device servers end a silent session; 0: never
	Now       func() time.Time // nil: time.Now
	// Network carries the lab in memory, as a test in a synctest bubble needs it; nil: sockets of this machine's
	// loopback.
	Network *memnet.Network
}

func (o *Options) sockets() sockets {
	if o.Network != nil {
		return memorySockets{o.Network}
	}
	return loopbackSockets{}
}

// Lab is a running simulated cloud. Its addresses are chosen at random from 127.0.0.0/8, so that labs that
// run at the same time do not collide.
type Lab struct {
	Mint              *Mint
	Zone              *Zone // mbedcloud.com, as NameServer serves it; not to be changed
	NameServer        *NameServer
	Resolver          *Resolver
	ResolverAddress   netip.AddrPort
	NameServerAddress netip.AddrPort

	hosts  []Host
	ports  map[uint16]uint16 // by the real cloud's port
	fronts []*place
	dns    []*DNSServer
	cloud  *dtlsCloud
	cancel context.CancelFunc
}

// front passes the packets of one path and inflicts a fault on them.
type front interface {
	// set changes the fault. The first call opens the front; port 0 then picks one.
	set(*setting) error
	close()
	at() netip.AddrPort
	active() *setting
}

// frontBase is what the fronts of TCP and UDP have in common.
type frontBase struct {
	sockets  sockets
	address  netip.AddrPort
	identity *identity
	coap     CoAP
	ctx      context.Context // ends with the lab

	wg      sync.WaitGroup
	current atomic.Pointer[setting]
	mu      sync.Mutex
}

func (f *frontBase) at() netip.AddrPort { return f.address }
func (f *frontBase) active() *setting   { return f.current.Load() }

// place is the front of one path to one address of a host.
type place struct {
	host Host
	path Path
	front
}

// startAttempts bounds how often other addresses are chosen because some are taken.
const startAttempts = 10

// Start builds a lab; it runs until Close or until ctx ends, after which Close must still be called.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if o.Hosts == nil {
		o.Hosts = Izuma()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Addresses = max(1, o.Addresses)
	o.TTL = cmp.Or(o.TTL, 60)
	mint, err := NewMint(o.Now())
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		lab, err := start(ctx, o, mint)
		if err == nil || attempt == startAttempts || ctx.Err() != nil {
			return lab, err
		}
	}
}

func start(ctx context.Context, o Options, mint *Mint) (_ *Lab, err error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &Lab{
		Mint: mint, hosts: o.Hosts, ports: map[uint16]uint16{NominalDevice: o.Device, NominalWeb: o.Web},
		cancel: cancel, cloud: &dtlsCloud{ctx: ctx, idleLimit: o.IdleLimit},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	addresses := addressBlock()
	resolver, nameServer := addresses(), addresses()
	l.Zone = &Zone{Origin: "mbedcloud.com.", Servers: []Server{{Name: "ns1.mbedcloud.com.", Address: nameServer}}, Names: map[string]RecordSet{}}
	for _, host := range o.Hosts {
		var own []netip.Addr
		for range o.Addresses {
			own = append(own, addresses())
		}
		id := &identity{mint: mint, authority: l.authority(host.Authority), host: host.Name, issued: map[string]tls.Certificate{}}
		if host.ByAddress {
			id.addresses = own
		}
		for _, address := range own {
			for _, path := range host.Paths {
				f := l.newFront(ctx, id, host, path, netip.AddrPortFrom(address, l.ports[path.Nominal]), o)
				if err := f.set(&setting{text: None, fault: None}); err != nil {
					return nil, err
				}
				l.fronts = append(l.fronts, &place{host, path, f})
				l.ports[path.Nominal] = f.at().Port() // the first host picks for all
			}
		}
		records := o.Records[host.Name]
		if records.TTL == nil {
			records.TTL = TTL(o.TTL)
		}
		if records.CNAME == "" && records.Addresses == nil {
			records.Addresses = Fixed(own...)
		}
		l.Zone.Names[host.Name+"."] = records
	}
	l.NameServer = &NameServer{Zones: []*Zone{l.Zone}}
	l.Resolver = NewResolver(l.NameServer, Habits{}, 1)
	for _, s := range []struct {
		at       netip.Addr
		answerer Answerer
		into     *netip.AddrPort
	}{{resolver, l.Resolver, &l.ResolverAddress}, {nameServer, l.NameServer, &l.NameServerAddress}} {
		server, err := serveDNS(o.sockets(), netip.AddrPortFrom(s.at, 0), s.answerer, o.Now)
		if err != nil {
			return nil, err
		}
		l.dns = append(l.dns, server)
		*s.into = server.Address
	}
	return l, nil
}

func (l *Lab) newFront(ctx context.Context, id *identity, host Host, path Path, at netip.AddrPort, o Options) front {
	base := &frontBase{sockets: o.sockets(), address: at, identity: id, coap: o.CoAP, ctx: ctx}
	if path.Transport == "udp" {
		return &udpFront{frontBase: base, cloud: l.cloud, flows: make(map[netip.AddrPort]*flow)}
	}
	return &tcpFront{frontBase: base, web: host.Web, idleLimit: o.IdleLimit, slots: make(chan struct{}, maxSessions)}
}

// addressBlock returns consecutive addresses from a random start in 127.64.0.0 to 127.254.255.255. The lower ones are
// in common use.
func addressBlock() func() netip.Addr {
	next := netip.AddrFrom4([4]byte{127, byte(64 + rand.IntN(190)), byte(rand.IntN(256)), 0})
	return func() netip.Addr {
		next = next.Next()
		return next
	}
}

func (l *Lab) authority(name string) *Authority {
	switch name {
	case ByLwM2M:
		return l.Mint.LwM2M
	case ByWeb:
		return l.Mint.Web
	default:
		return l.Mint.Bootstrap
	}
}

// Close stops the lab and waits for its goroutines.
func (l *Lab) Close() error {
	l.cancel()
	for _, f := range l.fronts {
		f.close()
	}
	l.cloud.close()
	var all []error
	for _, server := range l.dns {
		all = append(all, server.Close())
	}
	return errors.Join(all...)
}

// ErrWhere means that a place names no path of the lab.
var ErrWhere = errors.New("no such path in the lab")

// Set inflicts a fault: fault is a name of [Faults], with an argument after a colon. where is
//
//	HOST[@ADDRESS][/TRANSPORT[:PORT]]
//
// with HOST a name, its first label or "*", and PORT the real cloud's port or the lab's. Paths of the host that cannot
// have the fault (a UDP fault on TCP) stay as they are; it is an error if none can. The place "resolver" takes a habit
// of [HabitList] instead.
func (l *Lab) Set(where, fault string) error {
	apply, err := l.plan(where, fault)
	if err != nil {
		return err
	}
	return apply()
}

// Check returns the error that Set would return, and changes nothing.
func (l *Lab) Check(where, fault string) error {
	_, err := l.plan(where, fault)
	return err
}

// plan validates the arguments of Set and returns what it has to do.
func (l *Lab) plan(where, fault string) (apply func() error, err error) {
	if where == "resolver" {
		habits, err := ParseHabits(fault)
		return func() error { l.Resolver.Behave(habits); return nil }, err
	}
	s, err := parseSetting(fault)
	if err != nil {
		return nil, err
	}
	fronts, err := l.find(where)
	if err != nil {
		return nil, err
	}
	fronts = slices.DeleteFunc(fronts, func(f *place) bool { return f.verdict(s.fault) == nil })
	if len(fronts) == 0 {
		return nil, fmt.Errorf("%w: %s does not apply to %s", ErrFault, fault, where)
	}
	return func() error {
		for _, f := range fronts {
			if err := f.set(s); err != nil {
				return fmt.Errorf("set %s at %s: %w", fault, f.at(), err)
			}
		}
		return nil
	}, nil
}

// verdict is the expected verdict for a fault on this path; nil if the path cannot have it.
func (f *place) verdict(name string) *Verdict {
	for _, fault := range Faults() {
		switch {
		case fault.Name != name:
		case f.host.Web:
			return fault.Web
		case f.path.Transport == "udp":
			return fault.UDP
		default:
			return fault.TCP
		}
	}
	return nil
}

func (l *Lab) find(where string) ([]*place, error) {
	host, rest, _ := strings.Cut(where, "/")
	host, address, _ := strings.Cut(host, "@")
	transport, port, _ := strings.Cut(rest, ":")
	var out []*place
	for _, f := range l.fronts {
		label, _, _ := strings.Cut(f.host.Name, ".")
		at := f.at()
		if (host == "*" || host == f.host.Name || host == label) &&
			(address == "" || address == at.Addr().String()) &&
			(transport == "" || transport == f.path.Transport) &&
			(port == "" || port == strconv.Itoa(int(at.Port())) || port == strconv.Itoa(int(f.path.Nominal))) {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %q", ErrWhere, where)
	}
	return out, nil
}

// Place is one path to one address, with its fault.
type Place struct {
	Host    Host
	Path    Path
	Address netip.AddrPort
	Fault   string  // with its argument
	Verdict Verdict // that the exporter must reach
}

// Places lists every path of the lab.
func (l *Lab) Places() []Place {
	out := make([]Place, 0, len(l.fronts))
	for _, f := range l.fronts {
		active := f.active()
		p := Place{Host: f.host, Path: f.path, Address: f.at(), Fault: active.text}
		if v := f.verdict(active.fault); v != nil {
			p.Verdict = *v
		}
		out = append(out, p)
	}
	return out
}
