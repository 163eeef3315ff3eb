//go:build realpeers

package oracle

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	coapdtls "github.com/plgd-dev/go-coap/v3/dtls"
	"github.com/plgd-dev/go-coap/v3/mux"
	coapnet "github.com/plgd-dev/go-coap/v3/net"
	"github.com/plgd-dev/go-coap/v3/options"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

// real is a server program in one configuration. Placeholders in its arguments and its file are filled in:
//
//	{ADDRESS} {PORT} {AT}   where it listens; {AT} is both, with brackets around an IPv6 address
//	{CERT} {KEY} {PEM}      files with the chain, its key, and both
//	{CA} {CLIENTCA}        an authority that signed nothing, and the one that signed the clients' certificate
//	{FILE} {DIR}            the file with the configuration, and a directory for the program
//	{BACKEND}               the address of a CoAP server without TLS; {CLOSED} one where nothing listens
type real struct {
	name string
	udp  bool
	args []string
	file string
	env  []string
	// chain is "": only the leaf; "long": leaf, issuing CA and root; "rsa": a leaf with an RSA key; "p384"; "inspected":
	// a leaf with an RSA key, signed by another authority.
	chain   string
	program string // built by scripts/device-client; args are then its arguments
}

// ccm8 is how OpenSSL is told to offer the device's suite.
const ccm8 = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"

// reals are the configurations of server programs.
func reals() []real {
	var rows []real
	add := func(r real) { rows = append(rows, r) }
	openssl := func(name string, more ...string) *real {
		args := []string{"openssl", "s_server", "-accept", "{AT}", "-cert", "{CERT}", "-key", "{KEY}", "-cert_chain", "{CERT}", "-quiet", "-tls1_2", "-cipher", ccm8}
		add(real{name: "OpenSSL, " + name, args: append(args, more...)})
		return &rows[len(rows)-1]
	}
	openssl("plain")
	openssl("client certificate demanded", "-Verify", "1")
	openssl("client certificate asked for", "-verify", "1")
	openssl("authorities named, anyone accepted", "-Verify", "1", "-CAfile", "{CA}")
	openssl("client certificate refused", "-Verify", "1", "-verify_return_error", "-CAfile", "{CA}")
	openssl("client certificate accepted by its authority", "-Verify", "1", "-verify_return_error", "-CAfile", "{CLIENTCA}")
	openssl("no session ticket", "-no_ticket")
	openssl("no session ticket, no cache", "-no_ticket", "-no_cache", "-Verify", "1")
	openssl("records of 512 bytes", "-max_send_frag", "512")
	openssl("records of 512 bytes, client certificate demanded", "-max_send_frag", "512", "-Verify", "1")
	openssl("records of 512 bytes and a long chain", "-max_send_frag", "512").chain = "long"
	openssl("records of 2048 bytes and a long chain", "-max_send_frag", "2048").chain = "long"
	openssl("a long chain").chain = "long"
	openssl("its own order of suites", "-serverpref")
	openssl("curve P-384 only", "-curves", "P-384")
	openssl("curves P-384 and P-256", "-curves", "P-384:P-256")
	openssl("signs with SHA-224 only", "-sigalgs", "ECDSA+SHA224")
	openssl("signs with SHA-384 only", "-sigalgs", "ECDSA+SHA384")
	openssl("client's signature with SHA-384 only", "-Verify", "1", "-client_sigalgs", "ECDSA+SHA384")
	openssl("client's signature with RSA only", "-Verify", "1", "-client_sigalgs", "RSA+SHA256")
	openssl("ALPN coap", "-alpn", "coap")
	openssl("bugs of others worked around", "-bugs")
	openssl("legacy renegotiation", "-legacy_renegotiation")
	openssl("no renegotiation", "-no_renegotiation")
	openssl("an HTTP server", "-www")
	openssl("an RSA key").chain = "rsa"
	openssl("a P-384 key").chain = "p384"
	openssl("GCM only", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
	openssl("CCM with a long tag only", "-cipher", "ECDHE-ECDSA-AES128-CCM:@SECLEVEL=0")
	openssl("all suites", "-cipher", "ALL:@SECLEVEL=0")
	openssl("no extended master secret", "-Verify", "1").env = []string{"OPENSSL_CONF={FILE}"}
	rows[len(rows)-1].file = "openssl_conf = init\n[init]\nssl_conf = modules\n[modules]\nsystem_default = server\n[server]\nOptions = -ExtendedMasterSecret\n"
	version := func(name string, more ...string) {
		args := []string{"openssl", "s_server", "-accept", "{AT}", "-cert", "{CERT}", "-key", "{KEY}", "-quiet"}
		add(real{name: "OpenSSL, " + name, args: append(args, more...)})
	}
	version("TLS 1.3 only", "-tls1_3")
	version("TLS 1.1 only", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
	version("TLS 1.2 and 1.3, the device's suite too", "-cipher", ccm8)
	version("its defaults")
	version("an interceptor with RSA key exchange only", "-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0")
	rows[len(rows)-1].chain = "inspected"
	version("an interceptor with TLS 1.1 only", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
	rows[len(rows)-1].chain = "inspected"
	version("an interceptor with TLS 1.3 only", "-tls1_3")
	rows[len(rows)-1].chain = "inspected"

	datagram := func(name string, more ...string) *real {
		args := []string{"openssl", "s_server", "-dtls1_2", "-accept", "{AT}", "-cert", "{CERT}", "-key", "{KEY}", "-cert_chain", "{CERT}", "-quiet", "-cipher", ccm8}
		add(real{name: "OpenSSL, " + name, udp: true, args: append(args, more...)})
		return &rows[len(rows)-1]
	}
	datagram("plain")
	datagram("client certificate demanded", "-Verify", "1")
	datagram("without state", "-listen")
	datagram("without state, client certificate demanded", "-listen", "-Verify", "1")
	datagram("datagrams of 256 bytes", "-mtu", "256")
	datagram("datagrams of 512 bytes and a long chain", "-mtu", "512").chain = "long"
	datagram("a long chain").chain = "long"
	datagram("no session ticket", "-no_ticket")
	datagram("client certificate refused", "-Verify", "1", "-verify_return_error", "-CAfile", "{CA}")
	datagram("GCM only", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
	datagram("signs with SHA-384 only", "-sigalgs", "ECDSA+SHA384")
	datagram("an RSA key").chain = "rsa"
	datagram("an interceptor with RSA key exchange only", "-cipher", "AES128-SHA:@SECLEVEL=0").chain = "inspected"
	add(real{name: "OpenSSL, DTLS 1.0 only", udp: true, args: []string{"openssl", "s_server", "-dtls1", "-accept", "{AT}", "-cert", "{CERT}", "-key", "{KEY}", "-quiet", "-cipher", "ALL:@SECLEVEL=0"}})

	gnutls := func(name, priority string, more ...string) *real {
		args := []string{"gnutls-serv", "--echo", "--port", "{PORT}", "--x509certfile", "{CERT}", "--x509keyfile", "{KEY}", "--priority", priority}
		add(real{name: "GnuTLS, " + name, args: append(args, more...)})
		return &rows[len(rows)-1]
	}
	const normal = "NORMAL:+AES-128-CCM-8"
	gnutls("plain", normal)
	gnutls("client certificate demanded", normal, "--require-client-cert")
	gnutls("no client certificate", normal, "--disable-client-cert")
	gnutls("client certificate refused", normal, "--require-client-cert", "--verify-client-cert", "--x509cafile", "{CA}")
	gnutls("no session ticket", normal, "--noticket")
	gnutls("no extended master secret", normal+":%NO_SESSION_HASH")
	gnutls("no extensions", normal+":%NO_EXTENSIONS")
	gnutls("its own order of suites", normal+":%SERVER_PRECEDENCE")
	gnutls("records of 512 bytes", normal, "--recordsize", "512")
	gnutls("ALPN coap", normal, "--alpn", "coap")
	gnutls("heartbeat", normal, "--heartbeat")
	gnutls("a long chain", normal).chain = "long"
	gnutls("an RSA key", normal).chain = "rsa"
	gnutls("TLS 1.3 only", "NORMAL:-VERS-ALL:+VERS-TLS1.3:+AES-128-CCM-8")
	gnutls("without the device's suite", "NORMAL")
	gnutls("an HTTP server", normal, "--http")
	gnutls("safe renegotiation demanded", normal+":%SAFE_RENEGOTIATION")
	gnutls("curve P-384 only", normal+":-GROUP-ALL:+GROUP-SECP384R1")
	for _, n := range []struct {
		name string
		more []string
	}{
		{"plain", nil},
		{"client certificate demanded", []string{"--require-client-cert"}},
		{"no client certificate", []string{"--disable-client-cert"}},
		{"no cookie", []string{"--nocookie"}},
		{"datagrams of 300 bytes", []string{"--mtu", "300"}},
		{"no session ticket", []string{"--noticket"}},
	} {
		r := gnutls(n.name, normal, append([]string{"--udp"}, n.more...)...)
		r.udp = true
	}
	r := gnutls("a long chain", normal, "--udp")
	r.udp, r.chain = true, "long"

	mbed := func(name string, udp bool, more ...string) *real {
		args := []string{"server_addr={ADDRESS}", "server_port={PORT}", "crt_file={CERT}", "key_file={KEY}", "force_ciphersuite=TLS-ECDHE-ECDSA-WITH-AES-128-CCM-8"}
		if udp {
			args = append(args, "dtls=1")
		}
		add(real{name: "Mbed TLS, " + name, udp: udp, program: "server", args: append(args, more...)})
		return &rows[len(rows)-1]
	}
	for _, udp := range []bool{false, true} {
		mbed("plain", udp)
		mbed("client certificate demanded", udp, "auth_mode=required", "ca_file={CLIENTCA}")
		mbed("client certificate optional, of another authority", udp, "auth_mode=optional", "ca_file={CA}")
		mbed("client certificate refused", udp, "auth_mode=required", "ca_file={CA}")
		mbed("no session ticket", udp, "tickets=0")
		mbed("no extended master secret", udp, "extended_ms=0")
		mbed("no encrypt-then-MAC", udp, "etm=0")
		mbed("fragments of 512 bytes at most", udp, "max_frag_len=512")
		mbed("fragments of 1024 bytes at most", udp, "max_frag_len=1024")
		mbed("renegotiation", udp, "renegotiation=1", "renegotiate=1")
		mbed("legacy renegotiation refused", udp, "allow_legacy=0")
		mbed("ALPN coap", udp, "alpn=coap")
		mbed("curve P-384 only", udp, "curves=secp384r1")
		mbed("a long chain", udp).chain = "long"
		mbed("a P-384 key", udp).chain = "p384"
		mbed("no list of authorities", udp, "auth_mode=optional", "cert_req_ca_list=0")
	}
	mbed("without the device's suite", false, "force_ciphersuite=TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256")
	mbed("TLS 1.1 only", false, "force_ciphersuite=TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA", "force_version=tls1_1")
	mbed("no cookie", true, "cookies=0")
	mbed("bad cookies", true, "cookies=-1")
	mbed("no anti-replay", true, "anti_replay=0")
	mbed("datagrams of 256 bytes", true, "mtu=256")
	mbed("a record in each datagram", true, "dgram_packing=0")
	for _, id := range []string{"", "ab", "0123456789abcdef"} {
		mbed(fmt.Sprintf("connection id of %d bytes", len(id)/2), true, "cid=1", "cid_val="+id)
	}
	mbed("connection id and small datagrams", true, "cid=1", "cid_val=c1c2", "mtu=256")
	mbed("connection id and client certificate demanded", true, "cid=1", "cid_val=c1c2", "auth_mode=required", "ca_file={CLIENTCA}")
	mbed("connection id and renegotiation", true, "cid=1", "cid_val=c1c2", "renegotiation=1", "renegotiate=1")

	haproxy := func(name, bind, backend string) *real {
		add(real{name: "HAProxy, " + name, args: []string{"haproxy", "-q", "-db", "-f", "{FILE}"}, file: `global
  ssl-default-bind-ciphers ` + ccm8 + `
  ssl-default-bind-options ssl-min-ver TLSv1.2
  tune.ssl.cachesize 0
defaults
  mode tcp
  retries 0
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend device
  bind {AT} ssl crt {PEM} ` + bind + `
  default_backend coap
backend coap
  server one ` + backend + `
`})
		return &rows[len(rows)-1]
	}
	haproxy("TLS 1.2", "ssl-max-ver TLSv1.2", "{BACKEND}")
	haproxy("TLS 1.2 and 1.3", "", "{BACKEND}")
	haproxy("client certificate optional", "ca-file {CA} verify optional crt-ignore-err all ca-ignore-err all", "{BACKEND}")
	haproxy("client certificate demanded, any accepted", "ca-file {CA} verify required crt-ignore-err all ca-ignore-err all", "{BACKEND}")
	haproxy("client certificate demanded, accepted by its authority", "ca-file {CLIENTCA} verify required", "{BACKEND}")
	haproxy("client certificate refused", "ca-file {CA} verify required", "{BACKEND}")
	haproxy("no session ticket", "no-tls-tickets", "{BACKEND}")
	haproxy("a long chain", "", "{BACKEND}").chain = "long"
	haproxy("an RSA key", "", "{BACKEND}").chain = "rsa"
	haproxy("a dead backend", "", "{CLOSED}")
	haproxy("TLS 1.3 only", "ssl-min-ver TLSv1.3", "{BACKEND}")
	haproxy("curve P-384 only", "curves P-384", "{BACKEND}")

	nginx := func(name, more string) *real {
		add(real{name: "nginx, " + name, args: []string{"nginx", "-p", "{DIR}", "-e", "stderr", "-c", "{FILE}"}, file: `daemon off;
master_process off;
pid {DIR}/pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path {DIR}/body; proxy_temp_path {DIR}/proxy; fastcgi_temp_path {DIR}/fastcgi; uwsgi_temp_path {DIR}/uwsgi; scgi_temp_path {DIR}/scgi;
  server {
    listen {AT} ssl;
    ssl_certificate {CERT}; ssl_certificate_key {KEY};
    ` + more + `
  }
}
`})
		return &rows[len(rows)-1]
	}
	suite := "ssl_protocols TLSv1.2; ssl_ciphers " + ccm8 + "; "
	nginx("TLS 1.2", suite)
	nginx("TLS 1.2 and 1.3", "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers "+ccm8+";")
	nginx("client certificate optional", suite+"ssl_client_certificate {CA}; ssl_verify_client optional_no_ca;")
	nginx("client certificate checked in HTTP", suite+"ssl_client_certificate {CA}; ssl_verify_client on;")
	nginx("no session ticket", suite+"ssl_session_tickets off;")
	nginx("a long chain", suite).chain = "long"
	nginx("an RSA key", suite).chain = "rsa"
	nginx("curve P-384 only", suite+"ssl_ecdh_curve secp384r1;")
	nginx("its own suites", "ssl_protocols TLSv1.2;")
	nginx("small buffers", suite+"ssl_buffer_size 1k;")

	stunnel := func(name, more string) *real {
		add(real{name: "stunnel, " + name, args: []string{"stunnel", "{FILE}"}, file: `foreground = yes
pid =
syslog = no
debug = crit
[device]
accept = {ADDRESS}:{PORT}
connect = {BACKEND}
cert = {CERT}
key = {KEY}
sslVersion = TLSv1.2
securityLevel = 0
ciphers = ` + ccm8 + "\n" + more})
		return &rows[len(rows)-1]
	}
	stunnel("plain", "")
	stunnel("no session ticket", "options = NO_TICKET\n")
	stunnel("client certificate demanded", "requireCert = yes\nverifyChain = yes\nCAfile = {CLIENTCA}\n")
	stunnel("client certificate refused", "requireCert = yes\nverifyChain = yes\nCAfile = {CA}\n")
	stunnel("curve P-384 only", "curves = P-384\n")
	stunnel("a long chain", "").chain = "long"

	for _, library := range []string{"openssl", "gnutls"} {
		libcoap := func(name string, udp bool, more ...string) {
			args := []string{"coap-server-" + library, "-A", "{ADDRESS}", "-p", "{PORT-1}", "-c", "{CERT}", "-j", "{KEY}"}
			add(real{name: "libcoap with " + library + ", " + name, udp: udp, args: append(args, more...)})
		}
		for _, udp := range []bool{false, true} {
			libcoap("plain", udp, "-n")
			libcoap("client certificate demanded", udp, "-C", "{CLIENTCA}")
			libcoap("client certificate refused", udp, "-C", "{CA}")
		}
	}
	return rows
}

// realRows are servers of others: programs, and libraries of Go.
func (b *bench) realRows() []*peer {
	var rows []*peer
	for _, r := range reals() {
		if r.program != "" && b.device == nil {
			continue // it cannot be built here either
		}
		rows = append(rows, &peer{set: "real", name: r.name, udp: r.udp, serve: func(t testing.TB, on netip.Addr, _ bool) netip.AddrPort {
			return b.start(t, on, r)
		}})
	}
	return append(rows, b.goRows()...)
}

// pairOf is the certificate that a real server shows.
func (b *bench) pairOf(kind string) tls.Certificate {
	m := b.minter
	switch kind {
	case "long":
		issuing := m.authorityCert("Issuing CA", m.issuing)
		return tls.Certificate{Certificate: [][]byte{m.leafCert().under(issuing, m.issuing).encode(), issuing.encode(), m.root}, PrivateKey: m.leaf}
	case "rsa":
		c := m.leafCert()
		c.spki = spki(m.rsa)
		return tls.Certificate{Certificate: [][]byte{c.encode()}, PrivateKey: m.rsa}
	case "inspected":
		c := m.leafCert()
		c.issuer, c.spki, c.signer = common("Inspecting CA"), spki(m.rsa), m.otherRoot
		return tls.Certificate{Certificate: [][]byte{c.encode()}, PrivateKey: m.rsa}
	case "p384":
		c := m.leafCert()
		c.spki = spki(m.p384)
		return tls.Certificate{Certificate: [][]byte{c.encode()}, PrivateKey: m.p384}
	}
	return tls.Certificate{Certificate: [][]byte{m.leafCert().encode()}, PrivateKey: m.leaf}
}

// start runs a server program until the test ends. Another process may take the port before the program does, so it is
// tried on several.
func (b *bench) start(t testing.TB, on netip.Addr, r real) netip.AddrPort {
	t.Helper()
	var err error
	for range 3 {
		at := netip.AddrPortFrom(on, b.port(t))
		if err = b.startAt(t, at, r); err == nil {
			return at
		}
	}
	t.Fatal(err)
	return netip.AddrPort{}
}

// port is a free one that no other row has been given, nor the one below it.
func (b *bench) port(t testing.TB) uint16 {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		port := program.FreePort(t).Port()
		if !b.ports[port] && !b.ports[port-1] && !b.ports[port+1] {
			b.ports[port] = true
			return port
		}
	}
}

// files writes what a program reads, and returns what replaces the placeholders.
func (b *bench) files(t testing.TB, at netip.AddrPort, r real) (replace func(string) string) {
	t.Helper()
	chain, key, err := lab.PEM(b.pairOf(r.chain))
	if err != nil {
		t.Fatal(err)
	}
	foreign := b.minter.rootCert()
	foreign.issuer, foreign.subject = common("Another Root"), common("Another Root")
	foreign.spki, foreign.signer = spki(b.minter.otherRoot), b.minter.otherRoot
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fill := []string{
		"{ADDRESS}", at.Addr().String(), "{PORT}", fmt.Sprint(at.Port()), "{PORT-1}", fmt.Sprint(at.Port() - 1), "{AT}", at.String(), "{DIR}", dir,
		"{BACKEND}", b.backend, "{CLOSED}", b.closed, "{FILE}", filepath.Join(dir, "FILE"),
	}
	for name, content := range map[string][]byte{
		"CERT": chain, "KEY": key, "PEM": append(bytes.Clone(chain), key...),
		"CLIENTCA": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.pair.Certificate[0]}),
		"CA":       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: foreign.encode()}),
	} {
		write(name, content)
		fill = append(fill, "{"+name+"}", filepath.Join(dir, name))
	}
	replace = strings.NewReplacer(fill...).Replace
	write("FILE", []byte(replace(r.file)))
	return replace
}

// startAt runs a server program at an address until the test ends. An error says that it ended or did not listen.
func (b *bench) startAt(t testing.TB, at netip.AddrPort, r real) error {
	t.Helper()
	replace := b.files(t, at, r)
	args := make([]string, len(r.args))
	for i := range args {
		args[i] = replace(r.args[i])
	}
	if r.program != "" {
		program, err := build(r.program)
		if err != nil {
			t.Fatal(err)
		}
		args = append([]string{program}, args...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Env = os.Environ()
	for _, e := range r.env {
		command.Env = append(command.Env, replace(e))
	}
	// What a server reads from its standard input must not end: some send it to the client.
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	command.Stderr = &complaints
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		cancel()
		<-exited
		_ = stdin.Close()
	})
	for end := time.Now().Add(startPatience); ; {
		select {
		case <-exited:
			return fmt.Errorf("%v ended\n%s", args, complaints.String())
		case <-time.After(20 * time.Millisecond):
		}
		switch {
		case listens(t, r.udp, at.Port()):
			return nil
		case time.Now().After(end):
			cancel()
			return fmt.Errorf("%v does not listen", args)
		}
	}
}

// startPatience bounds the start of a program. One that cannot have its port ends, and is not waited for.
const startPatience = time.Minute

// listens reports whether a socket of this machine is bound to a port, by the kernel's tables: a connection to find out
// would be the first of a server that may serve no second one.
func listens(t testing.TB, udp bool, port uint16) bool {
	t.Helper()
	for _, family := range []string{"", "6"} {
		if udp && bound(t, "udp"+family, "07", port) || !udp && bound(t, "tcp"+family, "0A", port) {
			return true
		}
	}
	return false
}

// bound reports whether a socket of a table that is in this state has the port. Of TCP, listening
// sockets come first. The kernel makes the lines as they are read, and there may be thousands of others.
func bound(t testing.TB, table, state string, port uint16) bool {
	t.Helper()
	file, err := os.Open("/proc/thread-self/net/" + table)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	suffix := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(file)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != state && strings.HasPrefix(table, "tcp") {
			break
		}
		if fields[3] == state && strings.HasSuffix(fields[1], suffix) {
			return true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return false
}

// startBackend runs what the programs that only terminate TLS lead to: a CoAP server over plain TCP. closed is an
// address where nothing listens.
func startBackend(t testing.TB) (backend, closed string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(sessionLife))
				var ping [4]byte
				for {
					if _, err := conn.Read(ping[:]); err != nil {
						return
					}
					_, _ = conn.Write([]byte{0x70, 0, ping[2], ping[3]})
				}
			}()
		}
	}()
	return listener.Addr().String(), program.FreePort(t).String()
}

// goRows are servers made of libraries of Go.
func (b *bench) goRows() []*peer {
	var rows []*peer
	row := func(name string, udp bool, serve func(t testing.TB, on netip.Addr) netip.AddrPort) {
		rows = append(rows, &peer{set: "real", name: name, udp: udp, serve: func(t testing.TB, on netip.Addr, _ bool) netip.AddrPort { return serve(t, on) }})
	}
	suite := dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8)
	shown := func(chain string) dtls.ServerOption { return dtls.WithCertificates(b.pairOf(chain)) }
	pion := func(name string, options ...dtls.ServerOption) {
		row("pion, "+name, true, func(t testing.TB, on netip.Addr) netip.AddrPort { return listenPion(t, on, options) })
	}
	pion("plain", shown(""), suite)
	pion("client certificate demanded", shown(""), suite, dtls.WithClientAuth(dtls.RequireAnyClientCert))
	pion("client certificate asked for", shown(""), suite, dtls.WithClientAuth(dtls.RequestClientCert))
	pion("client certificate refused", shown(""), suite, dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithVerifyConnection(func(*dtls.State) error { return errors.New("refused") }))
	pion("extended master secret demanded", shown(""), suite, dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret))
	pion("no extended master secret", shown(""), suite, dtls.WithExtendedMasterSecret(dtls.DisableExtendedMasterSecret))
	pion("datagrams of 200 bytes", shown(""), suite, dtls.WithMTU(200))
	pion("no cookie", shown(""), suite, dtls.WithInsecureSkipVerifyHello(true))
	pion("connection id of RFC 9146", shown(""), suite, dtls.WithConnectionIDGenerator(dtls.RandomCIDGenerator(8)))
	pion("a long chain", shown("long"), suite)
	pion("a P-384 key", shown("p384"), suite)
	pion("GCM only", shown(""), dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256))
	pion("its own suites", shown(""))

	coap := func(name string, auth dtls.ClientAuthType) {
		row("go-coap, "+name, true, func(t testing.TB, on netip.Addr) netip.AddrPort {
			return listenGoCoAP(t, on, shown(""), suite, dtls.WithClientAuth(auth))
		})
	}
	coap("plain", dtls.NoClientCert)
	coap("client certificate demanded", dtls.RequireAnyClientCert)

	row("crypto/tls, its defaults", false, func(t testing.TB, on netip.Addr) netip.AddrPort {
		return listenGo(t, on, &tls.Config{Certificates: []tls.Certificate{b.pairOf("")}, MinVersion: tls.VersionTLS10}) //nolint:gosec // what a server may be set to
	})
	row("the lab's own server", false, func(t testing.TB, on netip.Addr) netip.AddrPort {
		return listenLab(t, on, &lab.DeviceServer{Certificate: b.pairOf("")})
	})
	row("the lab's own server, client certificate refused", false, func(t testing.TB, on netip.Addr) netip.AddrPort {
		return listenLab(t, on, &lab.DeviceServer{Certificate: b.pairOf(""), RefuseClients: true})
	})
	return rows
}

// accepts runs serve for each connection until the test ends.
func accepts(t testing.TB, on netip.Addr, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(on, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(sessionLife))
			go serve(conn)
		}
	}()
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

func listenGo(t testing.TB, on netip.Addr, config *tls.Config) netip.AddrPort {
	t.Helper()
	return accepts(t, on, func(conn net.Conn) {
		defer conn.Close()
		server := tls.Server(conn, config)
		if server.HandshakeContext(context.Background()) == nil {
			_, _ = server.Read(make([]byte, 1))
		}
	})
}

func listenLab(t testing.TB, on netip.Addr, server *lab.DeviceServer) netip.AddrPort {
	t.Helper()
	return accepts(t, on, func(conn net.Conn) { _ = server.Serve(context.Background(), conn) })
}

func listenPion(t testing.TB, on netip.Addr, options []dtls.ServerOption) netip.AddrPort {
	t.Helper()
	listener, err := dtls.ListenWithOptions("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(on, 0)), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				ctx, cancel := context.WithTimeout(context.Background(), sessionLife)
				defer cancel()
				if conn.(*dtls.Conn).HandshakeContext(ctx) != nil {
					return
				}
				_ = conn.SetDeadline(time.Now().Add(sessionLife))
				ping := make([]byte, 64)
				for {
					n, err := conn.Read(ping)
					if err != nil || n < 4 {
						return
					}
					if _, err := conn.Write([]byte{0x70, 0, ping[2], ping[3]}); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().(*net.UDPAddr).AddrPort()
}

func listenGoCoAP(t testing.TB, on netip.Addr, serverOptions ...dtls.ServerOption) netip.AddrPort {
	t.Helper()
	listener, err := coapnet.NewDTLSListener("udp", netip.AddrPortFrom(on, 0).String(), coapnet.NewDTLSServerOptions(serverOptions...))
	if err != nil {
		t.Fatal(err)
	}
	server := coapdtls.NewServer(options.WithMux(mux.NewRouter()), options.WithErrors(func(error) {}))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		_ = listener.Close()
	})
	return listener.Addr().(*net.UDPAddr).AddrPort()
}
