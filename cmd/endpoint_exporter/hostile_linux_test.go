package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
)

// served is an exporter that serves HTTP on the kernel's loopback, in its own process.
type served struct {
	address  string
	pid      int
	series   int // of endpoint_path_up in a complete scrape
	password string
	client   *http.Client
	lab      *lab.Lab
	scheme   string
}

// setup describes the program under attack.
type setup struct {
	hosts    []lab.Host    // of the lab; nil: one
	password string        // for basic authentication; "": none
	cost     int           // of bcrypt; 0: the least
	files    int           // that the program may open; 0: as many as the test
	tls      bool          // TLS and HTTP/2
	more     string        // added to the configuration
	soak     time.Duration // how long the program runs in addition to 5 minutes
	build    []string      // flags of go build with which the program is built; nil: it is the test itself
}

// serveProcess starts the program with a lab.
func serveProcess(t testing.TB, o setup) *served {
	t.Helper()
	if o.hosts == nil {
		o.hosts = lab.Izuma()[:1]
	}
	l := labtest.Start(t, lab.Options{Hosts: o.hosts})
	s := &served{address: freeAddress(t), series: len(l.Places()), password: o.password, scheme: "http", lab: l}
	// An idle connection may be closed at the moment when a request is sent on it, which then fails.
	transport := &http.Transport{DisableKeepAlives: true}
	s.client = &http.Client{Transport: transport, Timeout: time.Minute}
	args := []string{"--config.file=" + configFile(t, l.Config()+o.more), "--web.listen-address=" + s.address, "--log.level=error"}
	var web string
	if o.password != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(o.password), max(o.cost, bcrypt.MinCost))
		if err != nil {
			t.Fatal(err)
		}
		web = fmt.Sprintf("basic_auth_users: {%s: %q}\n", scraper, hash)
	}
	if o.tls {
		certFile, keyFile := clientPair(t, l) // any certificate
		web += fmt.Sprintf("tls_server_config: {cert_file: %q, key_file: %q}\n", certFile, keyFile)
		s.scheme = "https"
		transport.ForceAttemptHTTP2 = true
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing is authenticated
	}
	if web != "" {
		args = append(args, "--web.config.file="+configFile(t, web))
	}
	ctx, cancel := context.WithTimeout(t.Context(), o.soak+5*time.Minute)
	program := "endpoint_exporter" // the test itself, see TestMain
	if o.build != nil {
		program = builtProgram(t, o.build)
	}
	if o.files > 0 {
		args = append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, o.files), program}, args...)
		program = "sh"
	}
	command := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	s.pid = command.Process.Pid
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cancel()
		_ = command.Wait() // it is killed
		if t.Failed() {
			t.Logf("%.2000s", &stderr)
		}
	})
	await(t, "the program serves", func() bool { code, _ := s.get("/-/healthy"); return code == http.StatusOK })
	return s
}

// released are the flags of a build without the race detector, which doubles the memory of the test's own.
var released = []string{"-race=false"}

// builtProgram builds the program with flags of go build.
func builtProgram(t testing.TB, flags []string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "endpoint_exporter")
	build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-o", program}, flags...)...)
	if !slices.Contains(flags, "-race") {
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as a release
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// waitLimit bounds the wait for what the program does within seconds, so that it fails no test on a loaded machine. It
// is shorter than keepAliveTime: a connection that is closed only because it is idle fails the test.
const waitLimit = keepAliveTime / 2

// await polls a condition for at most waitLimit.
func await(t testing.TB, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(waitLimit); !met(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
	}
}

// get returns the status and the body of a page; the status is 0 after an error.
func (s *served) get(path string) (int, string) {
	request, err := http.NewRequest(http.MethodGet, s.scheme+"://"+s.address+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	if s.password != "" {
		request.SetBasicAuth(scraper, s.password)
	}
	request.Header.Set(timeoutHeader, "10")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// scrape fails the test unless a scrape is complete.
func (s *served) scrape(t testing.TB, when string) {
	t.Helper()
	code, body := s.get("/metrics")
	if n := strings.Count(body, "\nendpoint_path_up{"); code != http.StatusOK || n != s.series {
		t.Errorf("a scrape %s: %d with %d of %d paths: %.300s", when, code, n, s.series, body)
	}
}

// resident is the resident memory of the program in bytes.
func (s *served) resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// descriptors is the number of open files of the program.
func (s *served) descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// connect opens connections that end with the test and sends a text on each, as far as the program takes it.
func (s *served) connect(t testing.TB, n int, text string) []net.Conn {
	t.Helper()
	out := make([]net.Conn, n)
	var all sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range out {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			conn, err := net.DialTimeout("tcp", s.address, 10*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			out[i] = conn
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(conn, text)
		})
	}
	all.Wait()
	t.Cleanup(func() {
		for _, conn := range out {
			if conn != nil {
				conn.Close()
			}
		}
	})
	return out
}

// closed waits until the program has closed connections, and counts those on which it answered with a status. It fails
// the test if one is still open after waitLimit.
func closed(t *testing.T, connections []net.Conn, status string) int {
	t.Helper()
	var answered, held atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(waitLimit)
	for _, conn := range connections {
		all.Go(func() {
			_ = conn.SetReadDeadline(end)
			text, err := io.ReadAll(bufio.NewReader(conn))
			if strings.HasPrefix(string(text), "HTTP/1.1 "+status) {
				answered.Add(1)
			}
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // a connection returns it unwrapped
				held.Add(1)
			}
		})
	}
	all.Wait()
	if n := held.Load(); n > 0 {
		t.Errorf("%d of %d connections are held for more than %v", n, len(connections), waitLimit)
	}
	return int(answered.Load())
}

// largeHeaders is a request with 1 MB of headers that does not end.
var largeHeaders = "GET /metrics HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-Large: "+strings.Repeat("a", 1000)+"\r\n", 1000)

// TestMemory attacks the memory of a program that is built as for a release.
func TestMemory(t *testing.T) {
	t.Parallel()
	s := serveProcess(t, setup{password: "secret", build: released})
	s.scrape(t, "before")
	t.Logf("resident: %d kB before", s.resident(t)>>10)
	largeHeadersOf(t, s)
	unreadResponses(t, s)
}

// largeHeadersOf sends 600 times 1 MB of headers, which the program reads before it asks for a password.
func largeHeadersOf(t *testing.T, s *served) {
	t.Helper()
	s.connect(t, 600, largeHeaders)
	s.scrape(t, "while the connections with large headers are open")
	during := s.resident(t)
	const limit = 40 << 20
	if during > 2*limit {
		t.Errorf("%d MB resident with large headers", during>>20)
	}
	await(t, "below 40 MB resident", func() bool { return s.resident(t) < limit })
	t.Logf("resident: %d kB with large headers, %d kB afterwards", during>>10, s.resident(t)>>10)
	s.scrape(t, "after large headers")
}

// unreadResponses sends scrapes on 200 connections whose responses are never read, three times over. All have the
// right password.
func unreadResponses(t *testing.T, s *served) {
	t.Helper()
	credentials := base64.StdEncoding.EncodeToString([]byte(scraper + ":" + s.password))
	request := "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\nAuthorization: Basic " + credentials + "\r\n\r\n"
	for range 3 {
		for _, conn := range s.connect(t, 200, strings.Repeat(request, 100)) {
			_ = conn.(*net.TCPConn).SetReadBuffer(1024)
		}
		started := time.Now()
		s.scrape(t, "while the responses are not read")
		t.Logf("a scrape took %v, %d kB resident", time.Since(started), s.resident(t)>>10)
	}
	if n := s.resident(t); n > 150<<20 {
		t.Errorf("%d MB resident with unread responses", n>>20)
	}
}

// TestHeaderLimit measures how large the headers of a request may be.
func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	s := serveProcess(t, setup{})
	for name, test := range map[string]struct {
		bytes  int
		status string
	}{
		"15 KiB of headers: answered":  {15 << 10, "200"},
		"17 KiB of headers: too large": {17 << 10, "431"},
	} {
		request := "GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Large: "
		request += strings.Repeat("a", test.bytes-len(request)) + "\r\n\r\n"
		if n := closed(t, s.connect(t, 1, request), test.status); n != 1 {
			t.Errorf("%s: not", name)
		}
	}
}

// missingBody is a request that announces a body which does not come.
const missingBody = "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"

// TestMissingBodies announces 300 bodies that never come.
func TestMissingBodies(t *testing.T) {
	for name, test := range map[string]struct {
		password, status string
	}{
		"without a password: refused at once": {"", "400"},
		"with a password: closed by deadline": {"secret", "401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveProcess(t, setup{password: test.password, more: "survey: {min_interval: 0s}\n"})
			connections := s.connect(t, 300, missingBody)
			s.scrape(t, "while the connections are open")
			closed(t, connections, test.status)
			s.scrape(t, "afterwards")
			one := s.connect(t, 1, missingBody)
			if n := closed(t, one, test.status); n != 1 {
				t.Errorf("the response is not %s", test.status)
			}
			if test.password != "" {
				tryPasswords(t, s)
			}
			if n := s.descriptors(t); n > 40 {
				t.Errorf("%d files are open afterwards", n)
			}
		})
	}
}

// wrongPassword is a request with another password each time.
func wrongPassword() string {
	credentials := base64.StdEncoding.EncodeToString([]byte(scraper + ":" + rand.Text()))
	return "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic " + credentials + "\r\n\r\n"
}

// tryPasswords tries 100 wrong passwords, of which most are not checked.
func tryPasswords(t *testing.T, s *served) {
	t.Helper()
	var tries []net.Conn
	for range 100 {
		tries = append(tries, s.connect(t, 1, wrongPassword())...)
	}
	s.scrape(t, "while passwords are tried")
	if n := closed(t, tries, "429"); n < 50 {
		t.Errorf("%d of 100 passwords are not checked", n)
	}
}

// TestConnectionsWithoutRequest opens more connections than the program accepts, and than it may open files, and sends
// nothing, or a byte.
func TestConnectionsWithoutRequest(t *testing.T) {
	for name, test := range map[string]struct {
		text              string
		files, n, maxOpen int
	}{
		"silent: closed":    {text: "", n: 1000, maxOpen: 300},
		"one byte: closed":  {text: "G", n: 1000, maxOpen: 300},
		"few files: closed": {text: "", files: 100, n: 300, maxOpen: 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveProcess(t, setup{files: test.files})
			connections := s.connect(t, test.n, test.text)
			s.scrape(t, "while the connections are open")
			if n := s.descriptors(t); n > test.maxOpen {
				t.Errorf("%d files are open", n)
			}
			closed(t, connections, "none")
			s.scrape(t, "afterwards")
		})
	}
}

// TestTLSConnections attacks the program over TLS: connections without a handshake, with one and no request, and
// requests over HTTP/2 whose body never comes.
func TestTLSConnections(t *testing.T) {
	t.Parallel()
	s := serveProcess(t, setup{tls: true, more: "survey: {min_interval: 0s}\n"})
	insecure := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing is authenticated
	raw := s.connect(t, 300, "\x16\x03\x01")
	s.scrape(t, "with connections without a handshake")
	var encrypted []net.Conn
	for range 300 {
		over := tls.Client(s.connect(t, 1, "")[0], insecure)
		if err := over.Handshake(); err == nil {
			encrypted = append(encrypted, over)
		}
	}
	s.scrape(t, "with connections without a request")
	if len(encrypted) < 200 {
		t.Errorf("%d handshakes", len(encrypted))
	}

	hostile := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}}
	defer hostile.CloseIdleConnections()
	var all sync.WaitGroup
	slots := make(chan struct{}, maxStreams)
	for range 100 {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			body, stop := io.Pipe()
			defer stop.Close()
			ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.scheme+"://"+s.address+"/metrics", body)
			if err != nil {
				t.Error(err)
				return
			}
			response, err := hostile.Do(request)
			if err != nil {
				t.Errorf("a request with a body over HTTP/2: %v", err)
				return
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusBadRequest || response.ProtoMajor != 2 {
				t.Errorf("a request with a body: %s %s", response.Proto, response.Status)
			}
		})
	}
	s.scrape(t, "with requests with a body")
	all.Wait()
	closed(t, raw, "none")
	closed(t, encrypted, "none")
	s.scrape(t, "afterwards")
}

// TestScrapersOfOneRound sends 200 scrapes at once: all share one round, and all get it.
func TestScrapersOfOneRound(t *testing.T) {
	t.Parallel()
	const young = 10 * time.Second
	s := serveProcess(t, setup{more: fmt.Sprintf("survey: {min_interval: %v}\n", young)})
	started := time.Now()
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() { s.scrape(t, "of 200 at once") })
	}
	all.Wait()
	_, body := s.get("/metrics")
	attempts := parseExposition(t, body).of("endpoint_path_attempts_total", `result="ok"`)
	// On a slow machine the last scrapes come when the first round is too old to share.
	rounds := 2 + float64(time.Since(started)/young)
	for path, n := range attempts {
		if n > rounds {
			t.Errorf("%v rounds of %s", n, path)
		}
	}
	if len(attempts) != s.series {
		t.Errorf("attempts of %d paths", len(attempts))
	}
}

// BenchmarkAttackedScrape measures the duration of a scrape of a host that does not answer, which takes 3 s, while
// clients attack the program.
func BenchmarkAttackedScrape(b *testing.B) {
	hostile := func(s *served, b *testing.B, text string) { s.connect(b, 50, text) }
	for _, attack := range []struct {
		name     string
		password string
		do       func(s *served, b *testing.B)
	}{
		{"none", "", nil},
		{"headers", "secret", func(s *served, b *testing.B) { hostile(s, b, largeHeaders) }},
		{"held", "secret", func(s *served, b *testing.B) { hostile(s, b, missingBody) }},
		{"bodies", "", func(s *served, b *testing.B) { hostile(s, b, missingBody) }},
		{"silence", "", func(s *served, b *testing.B) { hostile(s, b, "") }},
		{"passwords", "secret", func(s *served, b *testing.B) {
			for range 50 {
				s.connect(b, 1, wrongPassword())
			}
		}},
		{"loop", "", func(s *served, b *testing.B) {
			hostile(s, b, "GET /metrics HTTP/1.1\r\nHost: x\r\n"+timeoutHeader+": 0.02\r\n\r\n")
		}},
	} {
		b.Run("attack="+attack.name, func(b *testing.B) {
			s := serveProcess(b, setup{hosts: lab.Izuma()[1:2], password: attack.password, cost: bcrypt.DefaultCost, more: "survey: {min_interval: 0s}\n", build: released})
			if err := s.lab.Set("*", lab.Silence); err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			var attacker sync.WaitGroup
			if attack.do != nil {
				attacker.Go(func() {
					tick := time.NewTicker(100 * time.Millisecond)
					defer tick.Stop()
					for n := 0; ctx.Err() == nil && n < 100; n++ {
						attack.do(s, b)
						<-tick.C
					}
				})
			}
			for b.Loop() {
				s.scrape(b, "under attack")
			}
			cancel()
			attacker.Wait()
		})
	}
}
