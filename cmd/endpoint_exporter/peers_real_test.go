//go:build realpeers && linux

package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
	"github.com/endpoint-exporter/endpoint_exporter/internal/present"
)

// ccm8 is how OpenSSL is made to offer the device's suite and no other.
const ccm8 = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"

// certified writes a server's certificate of the lab's bootstrap authority, and fills the files' names into the
// arguments: {CERT}, {KEY}, and {CA} for an authority that signed no client.
func certified(t *testing.T, mint *lab.Mint, args []string, more ...string) []string {
	t.Helper()
	leaf, err := mint.Bootstrap.Issue(lab.Leaf{CommonName: "server.test", DNSNames: []string{"server.test"}})
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := lab.PEM(leaf)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"cert": chain, "key": key, "ca": mint.LwM2M.PEM()} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		more = append(more, "{"+strings.ToUpper(name)+"}", file)
	}
	fill := strings.NewReplacer(more...)
	out := make([]string, len(args))
	for i := range args {
		out[i] = fill.Replace(args[i])
	}
	return out
}

// watching is a configuration that watches one address by one path.
func watching(mint *lab.Mint, host, port, transport, client string) string {
	ping := ""
	if client == "device" {
		ping = "coap_ping: true, "
	}
	return fmt.Sprintf(`catalogues: []
resolvers: [127.0.0.1]
authority: {mode: "off"}
trust:
  cloud: {issuer: "C=GB, ST=Cambridgeshire, L=Cambridge, O=ARM Ltd, CN=ARM Bootstrap CA", public_key: %s}
endpoints:
  - {service: peer, host: %q, client: %s, trust: cloud, %spaths: [{transport: %s, port: %s}]}
`, mint.Bootstrap.PublicKey(), host, client, ping, transport, port)
}

// TestExporterWithRealServers walks real servers and holds what the exporter exposes of them.
func TestExporterWithRealServers(t *testing.T) {
	t.Parallel()
	openssl := func(args ...string) []string {
		return append([]string{"openssl", "s_server", "-accept", "127.0.0.1:{PORT}", "-cert", "{CERT}", "-key", "{KEY}", "-quiet"}, args...)
	}
	gnutls := func(args ...string) []string {
		return append([]string{"gnutls-serv", "--echo", "--port", "{PORT}", "--x509certfile", "{CERT}", "--x509keyfile", "{KEY}"}, args...)
	}
	for name, test := range map[string]struct {
		server  []string
		udp     bool
		client  string
		reason  string // "" if the path carries the client
		version string
		phases  []string
		asked   float64
	}{
		"OpenSSL with only the device's suite and a client certificate required": {
			server: openssl("-tls1_2", "-cipher", ccm8, "-Verify", "1"), client: "device", version: "TLS 1.2", phases: []string{"connect", "hello", "finish"}, asked: 1,
		},
		"the same, refusing the throw-away certificate": {
			server: openssl("-tls1_2", "-cipher", ccm8, "-Verify", "1", "-verify_return_error", "-CAfile", "{CA}"), client: "device", version: "TLS 1.2", phases: []string{"connect", "hello"}, asked: 1,
		},
		"OpenSSL with only browsers' suites: not for devices": {
			server: openssl("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), client: "device", reason: "alert", version: "TLS 1.2", phases: []string{"connect"},
		},
		"OpenSSL with only TLS 1.3: not for devices": {
			server: openssl("-tls1_3"), client: "device", reason: "alert", version: "TLS 1.3", phases: []string{"connect"},
		},
		"OpenSSL with TLS 1.2 for a browser": {server: openssl("-tls1_2"), client: "web", reason: "wrong_name", version: "TLS 1.2", phases: []string{"connect", "hello"}},
		"OpenSSL with TLS 1.3 for a browser": {server: openssl("-tls1_3"), client: "web", reason: "wrong_name", version: "TLS 1.3", phases: []string{"connect", "hello"}},
		"GnuTLS with the device's suite and a client certificate demanded": {
			server: gnutls("--priority", "NORMAL:+AES-128-CCM-8", "--require-client-cert"), client: "device", version: "TLS 1.2", phases: []string{"connect", "hello", "finish"}, asked: 1,
		},
		"OpenSSL over DTLS with only the device's suite and a client certificate required": {
			server: openssl("-dtls1_2", "-cipher", ccm8, "-Verify", "1"), udp: true, client: "device", version: "DTLS 1.2", phases: []string{"hello", "finish"}, asked: 1,
		},
		"GnuTLS over DTLS with a client certificate demanded": {
			server: gnutls("--udp", "--priority", "NORMAL:+AES-128-CCM-8", "--require-client-cert"), udp: true, client: "device", version: "DTLS 1.2", phases: []string{"hello", "finish"}, asked: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mint, err := lab.NewMint(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			at := program.FreePort(t)
			port := fmt.Sprint(at.Port())
			args := certified(t, mint, test.server, "{PORT}", port)
			ready, transport := accepts(at.String()), "tcp"
			if test.udp {
				ready, transport = bound(port), "udp"
			}
			startPeer(t, ready, args[0], args[1:]...)
			x := scrapeOnTime(t, startExporter(t, watching(mint, "127.0.0.1", port, transport, test.client)))
			path := []string{`service="peer"`, `host="127.0.0.1"`, fmt.Sprintf("transport=%q", transport), fmt.Sprintf("port=%q", port)}
			if up, ok := x.one("endpoint_path_up", path...); !ok || (up == 1) != (test.reason == "") {
				t.Errorf("path_up %v (%v), due %q; failures %v", up, ok, test.reason, x.of("endpoint_path_failure"))
			}
			if test.reason != "" {
				if n, ok := x.one("endpoint_path_failure", append(path, fmt.Sprintf("reason=%q", test.reason))...); !ok || n != 1 {
					t.Errorf("failures %v, due %q", x.of("endpoint_path_failure"), test.reason)
				}
			}
			if n, ok := x.one("endpoint_tls_info", append(path, fmt.Sprintf("version=%q", test.version))...); !ok || n != 1 {
				t.Errorf("TLS %v, due %s", x.of("endpoint_tls_info"), test.version)
			}
			if asked, ok := x.one("endpoint_tls_client_certificate_requested", path...); !ok || asked != test.asked {
				t.Errorf("client certificate requested: %v (%v)", asked, ok)
			}
			phases(t, x, path, test.phases...)
			checkAuthentic(t, x, path, 1)
		})
	}
}

// scrapeOnTime is scrape. On an overloaded machine a round may have no verdict on a path (out_of_time) although the
// scrape had time for it; then another round follows.
func scrapeOnTime(t *testing.T, e *exporter) exposition {
	t.Helper()
	x := scrape(t, e)
	for range 4 {
		if len(x.of("endpoint_path_failure", `reason="out_of_time"`)) == 0 {
			break
		}
		t.Log("repeated, since the machine was too slow for a verdict")
		<-time.After(8 * time.Second) // the last round is shared for three quarters of min_interval
		x = scrape(t, e)
	}
	return x
}

// TestExporterBehindRealProxy puts Squid, with TLS interception as companies run it, between a device's
// network and a server that speaks as the cloud does: three network namespaces' worth of a site in two.
//
//	site (10.77.0.2) ──── router (10.77.0.1): port 443 is redirected to Squid ──── cloud (10.77.1.1, in the router)
func TestExporterBehindRealProxy(t *testing.T) {
	t.Parallel()
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	site, router := twoNamespaces(t)
	inside := func(namespace string, args ...string) []string {
		return append([]string{"netns", "exec", namespace}, args...)
	}
	acceptsInside := func(address string) func() bool {
		host, port, _ := net.SplitHostPort(address)
		return func() bool {
			return exec.Command("ip", inside(router, "bash", "-c", fmt.Sprintf("</dev/tcp/%s/%s", host, port))...).Run() == nil
		}
	}
	for _, port := range []string{"443", "5684"} {
		args := certified(t, mint, []string{"openssl", "s_server", "-accept", "10.77.1.1:" + port, "-cert", "{CERT}", "-key", "{KEY}", "-quiet",
			"-tls1_2", "-cipher", ccm8, "-Verify", "1"})
		startPeer(t, acceptsInside("10.77.1.1:"+port), "ip", inside(router, args...)...)
	}
	startSquid(t, mint, acceptsInside("10.77.0.1:3129"), func(args ...string) []string { return inside(router, args...) })

	config := configFile(t, watching(mint, "10.77.1.1", "443", "tcp", "device")+`
  - {service: open, host: 10.77.1.1, client: device, trust: cloud, paths: [{transport: tcp, port: 5684}]}
`)
	check := exec.Command("ip", inside(site, buildExporter(t), "--config.file="+config, "check", "--output=json")...)
	out, err := check.Output()
	if check.ProcessState.ExitCode() != exitUnhealthy {
		t.Fatalf("check: %v\n%s", err, out)
	}
	var view present.View
	if err := json.Unmarshal(out, &view); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	intercepted, open := view.Hosts[0].Paths[0], view.Hosts[1].Paths[0]
	if intercepted.Reason != "wrong_issuer" || intercepted.Class != "interception" || !strings.Contains(intercepted.Seen, `signed by "SSLInspect"`) ||
		!strings.Contains(intercepted.Advice, "exempt") {
		t.Errorf("through Squid: %s (%s), seen %s, advice %s", intercepted.Reason, intercepted.Class, intercepted.Seen, intercepted.Advice)
	}
	if open.Reason != "" {
		t.Errorf("beside Squid: %s, seen %s", open.Reason, open.Seen)
	}
}

// twoNamespaces makes a site's network and its router with a cloud behind it, which redirects port 443 to itself.
func twoNamespaces(t *testing.T) (site, router string) {
	t.Helper()
	id := strings.ToLower(rand.Text()[:8])
	site, router = "site-"+id, "router-"+id
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	for _, namespace := range []string{site, router} {
		ip("netns", "add", namespace)
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "delete", namespace).CombinedOutput(); err != nil {
				t.Errorf("delete %s: %v\n%s", namespace, err, out)
			}
		})
		ip("-n", namespace, "link", "set", "lo", "up")
	}
	ip("link", "add", "up0", "netns", site, "type", "veth", "peer", "name", "down0", "netns", router)
	ip("-n", site, "address", "add", "10.77.0.2/24", "dev", "up0")
	ip("-n", router, "address", "add", "10.77.0.1/24", "dev", "down0")
	ip("-n", router, "address", "add", "10.77.1.1/32", "dev", "lo")
	ip("-n", site, "link", "set", "up0", "up")
	ip("-n", router, "link", "set", "down0", "up")
	ip("-n", site, "route", "add", "default", "via", "10.77.0.1")
	redirect := exec.Command("ip", "netns", "exec", router, "nft", "-f", "-")
	redirect.Stdin = strings.NewReader("table ip nat {\nchain in {\ntype nat hook prerouting priority -100;\ntcp dport 443 redirect to :3129\n}\n}\n")
	if out, err := redirect.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	return site, router
}

// startSquid runs Squid with its own authority, which signs a certificate for every host.
func startSquid(t *testing.T, mint *lab.Mint, ready func() bool, inside func(...string) []string) {
	t.Helper()
	// Squid changes from root to its own user, which must be able to read its files.
	dir, err := os.MkdirTemp("", "squid")
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("squid%d", os.Getpid()) // of its shared memory
	t.Cleanup(func() {
		leftovers, _ := filepath.Glob("/dev/shm/" + name + "-*")
		for _, file := range append(leftovers, dir) {
			if err := os.RemoveAll(file); err != nil {
				t.Error(err)
			}
		}
	})
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	inspector, err := mint.Inspector.PEMWithKey()
	if err != nil {
		t.Fatal(err)
	}
	config := strings.ReplaceAll(`http_port 127.0.0.1:3128
https_port 10.77.0.1:3129 intercept ssl-bump tls-cert=DIR/inspector.pem generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program /usr/lib/squid/security_file_certgen -s DIR/certificates -M 4MB
sslcrtd_children 1 startup=1
pinger_enable off
ssl_bump bump all
tls_outgoing_options flags=DONT_VERIFY_PEER
sslproxy_cert_error allow all
http_access allow all
cache deny all
pid_filename DIR/squid.pid
access_log none
cache_log DIR/cache.log
coredump_dir DIR
visible_hostname squid.test
shutdown_lifetime 0 seconds
`, "DIR", dir)
	for file, content := range map[string][]byte{"squid.conf": []byte(config), "inspector.pem": inspector} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil { //nolint:gosec // see above
			t.Fatal(err)
		}
	}
	makeStore := exec.Command("/usr/lib/squid/security_file_certgen", "-c", "-s", dir+"/certificates", "-M", "4MB")
	if out, err := makeStore.CombinedOutput(); err != nil {
		t.Fatalf("make Squid's store of certificates: %v\n%s", err, out)
	}
	if out, err := exec.Command("chown", "-R", "proxy", dir).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v\n%s", err, out)
	}
	startPeer(t, ready, "ip", inside("squid", "-N", "-n", name, "-f", dir+"/squid.conf")...)
}
