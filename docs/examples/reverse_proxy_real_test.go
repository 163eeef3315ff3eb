//go:build realpeers

package examples

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

const (
	gateway  = "gateway.example.net"
	password = "change-me" // that of web.yml
)

// gatewayFiles writes what the examples of a reverse proxy name, and returns the directory and the authority.
func gatewayFiles(t *testing.T) (dir string, mint *lab.Mint) {
	t.Helper()
	mint, err := lab.NewMint(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := mint.Web.Issue(lab.Leaf{CommonName: gateway, DNSNames: []string{gateway}})
	if err != nil {
		t.Fatal(err)
	}
	chain, key, err := lab.PEM(certificate)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for file, content := range map[string]string{
		"gateway.pem": string(chain), "gateway.key": string(key), "gateway-ca.pem": string(mint.Web.PEM()),
		"endpoint.htpasswd": "prometheus:{PLAIN}" + password + "\n", "endpoint_password": password,
		"endpoint.rules.yml": string(read(t, "../../alerts/endpoint.rules.yml")),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil { //nolint:gosec // nginx reads them as another user
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	return dir, mint
}

// placed writes an example into a directory, which replaces those that it names, and returns the file. Replaced are
// further pairs of old and new text.
func placed(t *testing.T, name, dir string, replaced ...string) string {
	t.Helper()
	text := strings.NewReplacer(append(replaced, "/etc/nginx", dir, "/etc/prometheus", dir, "/etc/endpoint_exporter", dir)...).Replace(string(read(t, name)))
	file := filepath.Join(dir, filepath.Base(name))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // nginx reads it as another user
		t.Fatal(err)
	}
	return file
}

// TestReverseProxy runs nginx, which adds TLS and a password in front of an exporter with a prefix.
func TestReverseProxy(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir, mint := gatewayFiles(t)
	exporter := program.Start(t, exec.Command(s.exporter, "--config.file="+s.config, "--web.listen-address=127.0.0.1:0", "--web.external-url=https://"+gateway+"/endpoint/"))
	at := program.FreePort(t)
	site := placed(t, "reverse-proxy/nginx.conf", dir, "listen 443 ssl", "listen "+at.String()+" ssl", "127.0.0.1:15684", exporter)
	whole := filepath.Join(dir, "whole.conf")
	text := fmt.Sprintf("user root;\ndaemon off;\npid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/body;\n"+
		"proxy_temp_path %[1]s/proxy;\nfastcgi_temp_path %[1]s/fastcgi;\nuwsgi_temp_path %[1]s/uwsgi;\nscgi_temp_path %[1]s/scgi;\ninclude %[2]s;\n}\n", dir, site)
	if err := os.WriteFile(whole, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startNginx(t, whole)
	get := client(t, mint, at)
	const page = "/endpoint/"
	await(t, func() error {
		if code, _, err := get(page, password); err != nil || code != http.StatusOK {
			return fmt.Errorf("%d %w", code, err)
		}
		return nil
	})
	for _, wrong := range []string{"", "wrong"} {
		if code, _, err := get(page, wrong); err != nil || code != http.StatusUnauthorized {
			t.Errorf("with the password %q: %d, %v", wrong, code, err)
		}
	}
	for _, link := range []string{"metrics", "api/v1/report", "sd"} {
		if _, body, _ := get(page, password); !strings.Contains(body, `href="`+link+`"`) {
			t.Errorf("the page has no link %s", link)
		}
		if code, body, err := get(page+link, password); err != nil || code != http.StatusOK || !strings.Contains(body, s.hosts[0]) {
			t.Errorf("%s: %d, %v: %.200s", link, code, err, body)
		}
	}
	config := placed(t, "reverse-proxy/prometheus.yml", dir, append(quick, gateway+":443", at.String(), "tls_config: {", "tls_config: {server_name: "+gateway+", ")...)
	checkConfig(t, "check", "config", "--lint-fatal", config)
	_, prometheus := scrape(t, config, 1)
	awaitCount(t, prometheus, `count(endpoint_up{site="berlin"} == 1)`, len(s.hosts))
}

// TestWebConfigFile tests TLS and passwords of the exporter itself.
func TestWebConfigFile(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir, mint := gatewayFiles(t)
	file := placed(t, "reverse-proxy/web.yml", dir)
	at := netip.MustParseAddrPort(program.Start(t, exec.Command(s.exporter, "--config.file="+s.config, "--web.config.file="+file, "--web.listen-address=127.0.0.1:0")))
	get := client(t, mint, at)
	for _, test := range []struct {
		path, password string
		code           int
	}{
		{"/metrics", password, http.StatusOK}, {"/metrics", "", http.StatusUnauthorized}, {"/-/healthy", "wrong", http.StatusUnauthorized},
	} {
		if code, _, err := get(test.path, test.password); err != nil || code != test.code {
			t.Errorf("%s with the password %q: %d, %v", test.path, test.password, code, err)
		}
	}
}

// client returns a function that gets a page over TLS from an address, as the user prometheus unless the password is
// "".
func client(t *testing.T, mint *lab.Mint, at netip.AddrPort) func(path, password string) (code int, body string, err error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: mint.Web.Pool(), ServerName: gateway}, DisableKeepAlives: true,
	}}
	return func(path, password string) (int, string, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+at.String()+path, nil)
		if err != nil {
			return 0, "", err
		}
		if password != "" {
			request.SetBasicAuth("prometheus", password)
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	}
}

// startNginx runs nginx with a configuration until the test ends.
func startNginx(t *testing.T, config string) {
	t.Helper()
	var log strings.Builder
	nginx := exec.Command("nginx", "-p", filepath.Dir(config), "-e", "stderr", "-c", config)
	nginx.Stderr = &log
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(os.Interrupt)
		if err := nginx.Wait(); err != nil || t.Failed() {
			t.Logf("nginx: %v\n%s", err, &log)
		}
	})
}
