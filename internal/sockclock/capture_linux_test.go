//go:build capture

package sockclock_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/endpoint-exporter/endpoint_exporter/internal/dns"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
	"github.com/endpoint-exporter/endpoint_exporter/internal/path"
)

// role in the environment makes the test binary one of the other processes of the comparison.
const role = "ENDPOINT_CAPTURE_ROLE"

const (
	roleMeasure = "measure" // walks, looks up, captures and compares, in a network namespace of its own
	roleServer  = "server"  // answers after answerDelay
	roleSpin    = "spin"    // keeps every processor busy
)

// answerDelay is after which time the server answers a hello or a question.
const answerDelay = 20 * time.Millisecond

var document = flag.String("document", "", "the file whose section between the marks is replaced by the table")

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(role) {
	case roleMeasure:
		err = measure(context.Background())
	case roleServer:
		err = serve(context.Background())
	case roleSpin:
		spin()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// row is one row of the table: what is reported minus what the capture shows.
type row struct {
	Name, Load          string
	Connect, Hello, DNS quantiles
}

// quantiles are the median and the 99th percentile of the absolute error, with the median's sign.
type quantiles struct {
	N        int
	P50, P99 time.Duration
}

func quantilesOf(errs []time.Duration) quantiles {
	if len(errs) == 0 {
		return quantiles{}
	}
	slices.Sort(errs)
	q := quantiles{N: len(errs), P50: errs[len(errs)/2]}
	slices.SortFunc(errs, func(a, b time.Duration) int { return int(a.Abs() - b.Abs()) })
	q.P99 = errs[len(errs)*99/100]
	return q
}

func (q quantiles) String() string {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return fmt.Sprintf("%.3f / %.3f", ms(q.P50), ms(q.P99))
}

// TestAccuracy compares the durations of connect, hello and DNS with a packet capture. It asserts no time; it prints
// the table, and writes it into -document.
func TestAccuracy(t *testing.T) {
	command := exec.CommandContext(t.Context(), "/proc/self/exe")
	command.Env = append(os.Environ(), role+"="+roleMeasure)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for line := range bytes.Lines(out) {
		var r row
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		rows = append(rows, r)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n| load | paths | connect | hello | DNS |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", r.Load, r.Name, r.Connect, r.Hello, r.DNS)
	}
	fmt.Fprintf(&table, "\n")
	t.Log(table.String())
	if *document == "" {
		return
	}
	text, err := os.ReadFile(*document)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begins := strings.Cut(string(text), beginMark)
	_, tail, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		t.Fatalf("%s has no %q and %q", *document, beginMark, endMark)
	}
	if err := os.WriteFile(*document, []byte(head+beginMark+"\n"+table.String()+endMark+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The marks around the table in a document.
const (
	beginMark = "<!-- accuracy: begin -->"
	endMark   = "<!-- accuracy: end -->"
)

// measure compares every load with every number of paths, and writes the rows to standard output.
func measure(ctx context.Context) error {
	if err := up("lo"); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	// The kernel begins to stamp packets some time after the first socket asks for it, and stops after the last one.
	stamping, err := newCapture()
	if err != nil {
		return err
	}
	defer stamping.close()
	<-time.After(time.Second)
	server, err := start(ctx, roleServer)
	if err != nil {
		return err
	}
	defer server.stop()
	m := &measurer{}
	for _, at := range []*netip.AddrPort{&m.tls, &m.dns} {
		line, err := server.out.ReadString('\n')
		if err != nil {
			return fmt.Errorf("start the server: %w", err)
		}
		*at = netip.MustParseAddrPort(strings.TrimSpace(line))
	}
	for _, load := range []string{"idle", "busy"} {
		if load == "busy" {
			busy, err := start(ctx, roleSpin)
			if err != nil {
				return err
			}
			defer busy.stop()
		}
		for _, test := range []struct {
			name                    string
			paths, atOnce, repeated int
		}{
			{"1", 1, 1, 300},
			{"64", 64, 64, 16},
			{"1,000, 64 at a time", 1000, 64, 2},
			{"1,000, 1,024 at a time", 1000, 1024, 2},
		} {
			r := row{Name: test.name, Load: load}
			var errs errors3
			for done := 0; done < test.repeated; {
				began, before := time.Now(), errs
				if err := m.round(ctx, test.paths, test.atOnce, &errs); err != nil {
					return fmt.Errorf("%s, %s: %w", load, test.name, err)
				}
				ended := time.Now()
				if step := ended.Round(0).Sub(began.Round(0)) - ended.Sub(began); step.Abs() > maxStep {
					fmt.Fprintln(os.Stderr, "the wall clock was set by", step, "during a round, which is repeated")
					errs = before
					continue
				}
				done++
			}
			r.Connect, r.Hello, r.DNS = quantilesOf(errs.connect), quantilesOf(errs.hello), quantilesOf(errs.dns)
			if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxStep is by how much the wall clock may differ from the monotonic clock over a round. The capture has only the wall
// clock, so that a round in which it was set shows nothing.
const maxStep = 5 * time.Microsecond

// errors3 collects what is reported minus what the capture shows.
type errors3 struct{ connect, hello, dns []time.Duration }

// measurer holds the servers' addresses.
type measurer struct {
	tls, dns netip.AddrPort
	names    int // used so far
}

// round walks paths and looks up as many names, and adds the errors of what is reported.
func (m *measurer) round(ctx context.Context, paths, atOnce int, errs *errors3) error {
	c, err := newCapture()
	if err != nil {
		return err
	}
	defer c.close()
	outcomes := make([]measurement.Outcome, paths)
	inParallel(paths, atOnce, func(i int) {
		outcomes[i] = new(path.Walker).Walk(ctx, path.Target{Address: m.tls, Transport: measurement.TCP, Client: measurement.Device})
	})
	first := m.names
	m.names += paths
	lookups := make([]measurement.Lookup, paths)
	client := new(dns.Client)
	inParallel(paths, atOnce, func(i int) {
		lookups[i] = dns.Lookup(ctx, client, m.dns, fmt.Sprintf("n%d.test.", first+i), 0, nil)
	})
	packets, err := c.packets()
	if err != nil {
		return err
	}
	truth := truthOf(packets, m.tls.Port(), m.dns.Port())
	missing := 0
	for i := range outcomes {
		o := &outcomes[i]
		if o.Failure != measurement.Completed {
			return fmt.Errorf("a walk failed: %q in %q, %s", o.Failure, o.FailedIn, o.Detail.Text)
		}
		connect, _ := o.Took(measurement.Connect)
		hello, _ := o.Took(measurement.Hello)
		f := truth.flows[o.Local.Port()]
		if f == nil || f.synAck == 0 || f.flight == 0 {
			missing++
			continue
		}
		errs.connect = append(errs.connect, connect-(f.synAck-f.syn))
		errs.hello = append(errs.hello, hello-(f.flight-f.hello))
	}
	for i := range lookups {
		if l := &lookups[i]; l.Failure != measurement.DNSOK {
			return fmt.Errorf("a look-up failed: %q", l.Failure)
		}
		took, ok := truth.lookups[fmt.Sprintf("n%d.test.", first+i)]
		if !ok {
			missing++
			continue
		}
		errs.dns = append(errs.dns, lookups[i].Took-took)
	}
	if missing > paths/100 {
		return fmt.Errorf("%d of %d walks and look-ups are not in the capture", missing, 2*paths)
	}
	return nil
}

func inParallel(n, atOnce int, f func(i int)) {
	var all sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i := range n {
		places <- struct{}{}
		all.Go(func() { defer func() { <-places }(); f(i) })
	}
	all.Wait()
}

// capture is a packet socket on lo. Nothing is read before the end, so that it takes no processor time meanwhile.
type capture struct{ fd int }

func newCapture() (*capture, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, err
	}
	const all = 3 << 8 // ETH_P_ALL in network byte order
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 512<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lo.Index}),
	)
	if err != nil {
		return nil, fmt.Errorf("set up the packet socket: %w", err)
	}
	return &capture{fd}, nil
}

func (c *capture) close() { _ = unix.Close(c.fd) }

// packet is one captured packet of IPv4.
type packet struct {
	at       time.Duration // on the wall clock
	sent     bool          // by this machine, otherwise received; every packet on lo is both
	protocol byte
	from, to uint16
	flags    byte // of TCP
	data     []byte
}

// packets returns what was captured.
func (c *capture) packets() ([]packet, error) {
	var out []packet
	buf, oob := make([]byte, 64<<10), make([]byte, 128)
	for {
		n, length, _, from, err := unix.Recvmsg(c.fd, buf, oob, 0)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the capture: %w", err)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		messages, err := unix.ParseSocketControlMessage(oob[:length])
		if !ok || err != nil || len(messages) == 0 {
			return nil, errors.Join(errors.New("a packet without a stamp"), err)
		}
		b, stamp := buf[:n], messages[0].Data
		if n < 28 || b[0]>>4 != 4 {
			continue
		}
		p := packet{
			at:   time.Duration(binary.NativeEndian.Uint64(stamp))*time.Second + time.Duration(binary.NativeEndian.Uint64(stamp[8:])),
			sent: link.Pkttype == unix.PACKET_OUTGOING, protocol: b[9],
		}
		b = b[int(b[0]&15)*4:]
		p.from, p.to = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		switch p.protocol {
		case unix.IPPROTO_TCP:
			p.flags, p.data = b[13], bytes.Clone(b[int(b[12]>>4)*4:])
		case unix.IPPROTO_UDP:
			p.data = bytes.Clone(b[8:])
		}
		out = append(out, p)
	}
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return nil, fmt.Errorf("read the statistics of the capture: %w", err)
	}
	if stats.Drops > 0 {
		return nil, fmt.Errorf("the capture lost %d packets", stats.Drops)
	}
	slices.SortStableFunc(out, func(a, b packet) int { return int(a.at - b.at) })
	return out, nil
}

// flow is what the capture shows of one TCP connection: when the client's packets left, and when the server's arrived.
type flow struct {
	syn, synAck   time.Duration
	hello, flight time.Duration // the first segment of the hello, the last one of the flight
	over          bool          // the client has sent more
}

// truth is what the capture shows.
type truth struct {
	flows   map[uint16]*flow // by the client's port
	lookups map[string]time.Duration
}

func truthOf(packets []packet, tls, port53 uint16) truth {
	t := truth{flows: make(map[uint16]*flow), lookups: make(map[string]time.Duration)}
	type question struct {
		port uint16
		id   uint16
	}
	asked := make(map[question]time.Duration)
	const fin, syn = 1, 2
	for _, p := range packets {
		switch {
		case p.to == tls && p.sent && p.flags&syn != 0:
			t.flows[p.from] = &flow{syn: p.at}
		case p.to == tls && p.sent && (len(p.data) > 0 || p.flags&fin != 0):
			if f := t.flows[p.from]; f != nil {
				if f.hello != 0 {
					f.over = true
				} else {
					f.hello = p.at
				}
			}
		case p.from == tls && !p.sent && t.flows[p.to] != nil:
			f := t.flows[p.to]
			if p.flags&syn != 0 {
				f.synAck = p.at
			} else if len(p.data) > 0 && !f.over {
				f.flight = p.at
			}
		case p.to == port53 && p.sent && len(p.data) > 2:
			asked[question{p.from, binary.BigEndian.Uint16(p.data)}] = p.at
		case p.from == port53 && !p.sent && len(p.data) > 2:
			var m mdns.Msg
			if began, ok := asked[question{p.to, binary.BigEndian.Uint16(p.data)}]; ok && m.Unpack(p.data) == nil && len(m.Question) == 1 {
				name := m.Question[0].Name
				t.lookups[name] = max(t.lookups[name], p.at-began)
			}
		}
	}
	return t
}

// process is another process of the comparison. It ends when its standard input does.
type process struct {
	command *exec.Cmd
	in      io.Closer
	out     *bufio.Reader
}

func start(ctx context.Context, name string) (*process, error) {
	command := exec.CommandContext(ctx, "/proc/self/exe")
	command.Env = append(os.Environ(), role+"="+name)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the process %q: %w", name, err)
	}
	return &process{command, in, bufio.NewReader(out)}, nil
}

func (p *process) stop() {
	_ = p.in.Close()
	_ = p.command.Wait() // the measurement is over
}

// spin keeps every processor busy until standard input ends.
func spin() {
	runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	for range runtime.NumCPU() {
		go func() {
			for x := uint64(1); ; x ^= x << 13 {
				x ^= x >> 7
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// serve answers hellos and questions until standard input ends.
func serve(ctx context.Context) error {
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		return err
	}
	leaf, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test"})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = (&lab.DeviceServer{Certificate: leaf}).Serve(ctx, &slowConn{Conn: conn}) }()
		}
	}()
	questions, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := questions.(*net.UDPConn).SetReadBuffer(8 << 20); err != nil {
		return err
	}
	server := &mdns.Server{PacketConn: questions, Handler: mdns.HandlerFunc(func(w mdns.ResponseWriter, q *mdns.Msg) {
		<-time.After(answerDelay)
		m := new(mdns.Msg).SetReply(q)
		header := mdns.RR_Header{Name: q.Question[0].Name, Rrtype: q.Question[0].Qtype, Class: mdns.ClassINET, Ttl: 60}
		m.Answer = []mdns.RR{&mdns.A{Hdr: header, A: net.IPv4(198, 51, 100, 1)}}
		if header.Rrtype == mdns.TypeAAAA {
			m.Answer = []mdns.RR{&mdns.AAAA{Hdr: header, AAAA: net.ParseIP("2001:db8::1")}}
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = server.ActivateAndServe() }()
	fmt.Println(questions.LocalAddr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// slowConn answers after answerDelay.
type slowConn struct {
	net.Conn
	waited bool
}

func (c *slowConn) Write(p []byte) (int, error) {
	if !c.waited {
		<-time.After(answerDelay)
		c.waited = true
	}
	return c.Conn.Write(p)
}

// up sets an interface up.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
