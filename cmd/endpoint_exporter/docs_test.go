package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/golden"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/labtest"
	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/memnet"
	"github.com/endpoint-exporter/endpoint_exporter/internal/shelldoc"
)

// TestCommandLineReference compares docs/cli.md with the help of every command; `make golden` writes it.
func TestCommandLineReference(t *testing.T) {
	defer func(was string) { installedConfig = was }(installedConfig)
	installedConfig = "/etc/endpoint_exporter/config.yml"
	out := bytes.NewBufferString(cliHead)
	app, _, _ := newApplication(io.Discard, io.Discard, nil)
	for _, cmd := range app.Model().Commands {
		if cmd.Name == "help" {
			continue
		}
		var help, stderr bytes.Buffer
		if code := run(t.Context(), []string{cmd.Name, "--help"}, &help, &stderr); code != exitOK {
			t.Fatalf("%s --help: exit code %d, %s", cmd.Name, code, &stderr)
		}
		fmt.Fprintf(out, "\n## %s\n\n```text\n%s\n```\n", cmd.Name, strings.TrimSpace(trailing.ReplaceAllString(help.String(), "")))
	}
	golden.Equal(t, "../../docs/cli.md", out.String())
}

var trailing = regexp.MustCompile(`(?m) +$`)

const cliHead = `# Command line

Generated from ` + "`--help`" + ` by ` + "`make golden`" + `. [check.md](check.md) explains the output of ` + "`check`" + `, and
[configuration.md](configuration.md) the configuration file.

Exit codes of every command:

| code | meaning |
|---|---|
| 0 | good |
| 1 | something is wrong: a path does not carry a device, a DNS server is proved stale, a keepalive does not survive, the server could not listen |
| 2 | the arguments or the configuration cannot be used; nothing was probed |
| 3 | nothing is known to be wrong, but something is not known or not proved |

` + "`endpoint_exporter`" + ` without a command is ` + "`endpoint_exporter serve`" + `.
`

// TestDocumentedCommands runs every command of this program that stands in a document, on a network in memory and with
// the configuration of a lab instead of the named one. A command that would serve checks its configuration instead.
func TestDocumentedCommands(t *testing.T) {
	found, err := shelldoc.In("../..", "endpoint_exporter")
	if err != nil {
		t.Fatal(err)
	}
	places := make(map[string]string)
	for _, c := range found {
		if c.Program() == "endpoint_exporter" {
			places[strings.Join(c.Words, " ")] = c.Place
		}
	}
	if len(places) < 10 {
		t.Fatalf("only %d commands found", len(places))
	}
	inMemory(t, func(t *testing.T, network *memnet.Network) {
		l := labtest.Start(t, lab.Options{Network: network})
		for text, place := range places {
			if code, stderr := runDocumented(t, network.Dial, l, strings.Fields(text)[1:]); code == exitUsage {
				t.Errorf("%s: %s: exit code %d: %s", place, text, code, stderr)
			}
		}
	})
}

// placeholders are the words that a document uses for what its reader fills in.
var placeholders = strings.NewReplacer("HOST:PORT", bootstrapHost+":5684", "HOST", bootstrapHost)

// runDocumented runs the arguments of a document and returns the exit code and what was printed as an error.
func runDocumented(t *testing.T, dial dialFunc, l *lab.Lab, args []string) (int, string) {
	t.Helper()
	dir := t.TempDir()
	args = slices.Clone(args)
	for i, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "--save-certificates":
			arg = name + "=" + filepath.Join(dir, value)
		case "--watch":
			arg = "--watch=1m" // as many rounds as it takes to see that it works
		case "--web.config.file":
			arg = name + "=" + documentedWebConfig(t, l)
		}
		args[i] = placeholders.Replace(arg)
	}
	var stdout, stderr bytes.Buffer
	exit := -1
	app, shared, commands := newApplication(&stdout, &stderr, func(code int) { exit = code })
	chosen, err := app.Parse(args)
	if err == nil && exit < 0 && chosen == "serve" && !slices.Contains(args, "--config.check") {
		chosen, err = app.Parse(append(args, "--config.check"))
	}
	switch {
	case exit >= 0:
		return exit, stderr.String()
	case err != nil:
		return exitUsage, err.Error()
	}
	shared.dial = dial
	shared.systemResolvers = func() ([]netip.AddrPort, error) {
		return []netip.AddrPort{netip.MustParseAddrPort(l.ResolverAddress.String())}, nil
	}
	if shared.configFile != "" || !shared.configGiven {
		shared.configFile, shared.configGiven = configFile(t, l.Config()), true
	}
	code := commands[chosen](t.Context(), &stdout, &stderr)
	return code, stderr.String()
}

// documentedWebConfig writes the web configuration of deploy.md, with a certificate and a key under the names that it
// gives them, and returns its path.
func documentedWebConfig(t *testing.T, l *lab.Lab) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(tls_server_config:.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("deploy.md has no web configuration")
	}
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certFile, keyFile := clientPair(t, l) // any certificate
	for name, from := range map[string]string{"web.crt": certFile, "web.key": keyFile} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(name, content)
	}
	write("web.yml", block[1])
	return filepath.Join(dir, "web.yml")
}

// TestDocumentedPaths tests that http-api.md has every path of the HTTP server, with its method.
func TestDocumentedPaths(t *testing.T) {
	page, err := os.ReadFile("../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{statusPath, probePath, discoveryPath, reportPath, "POST " + reloadPath, healthyPath, readyPath, "/metrics"} {
		if !regexp.MustCompile("(?m)^\\| .*`" + regexp.QuoteMeta(path) + "[`?]").Match(page) {
			t.Errorf("http-api.md has no row for %s", path)
		}
	}
}
