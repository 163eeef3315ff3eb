package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/shelldoc"
)

// known has the programs of others in the documents, with their subcommands (words without a hyphen that must follow
// the name) and flags. Add those that a document needs, after a look at the program's manual.
var known = map[string]struct{ subcommands, flags string }{
	"amtool":     {"check-config config alert", ""},
	"apk":        {"add", "--allow-untrusted"},
	"apt-get":    {"install", ""},
	"curl":       {"", "-i -s -f -H -u -X --cacert -o"},
	"curl.exe":   {"", "-i"},
	"dig":        {"", "-p +norecurse +short +noall +answer +trace"},
	"docker":     {"run build", "-p -v --network"},
	"dpkg":       {"", "-i"},
	"go":         {"install test", "-run -tags -bench -benchmem -v"},
	"helm":       {"install lint template", "--namespace --set --values"},
	"htpasswd":   {"", "-nBC"},
	"ip":         {"address route rule", ""},
	"ipconfig":   {"/all", ""},
	"journalctl": {"", "-u -f --since"},
	"nc":         {"", "-v -z -u"},
	"netstat":    {"", "-rn"},
	"nslookup":   {"", "-port -type -norecurse -debug"},
	"openssl":    {"s_client x509 req ecparam pkey dgst", "-connect -servername -noservername -tls1_2 -cipher -showcerts -noout -issuer -subject -dates -pubkey -in -inform -outform -pubin -sha256 -verify_quiet -no_tls1_3 -x509 -newkey -pkeyopt -nodes -keyout -out -days -subj -addext"},
	"pktmon":     {"start stop etl2pcap", "--capture --pkt-size --file-name --out"},
	"promtool":   {"check test query", ""},
	"route":      {"print", ""},
	"rpm":        {"", "-i"},
	"sntp":       {"", ""},
	"systemctl":  {"edit reload restart status show", "-p"},
	"tcpdump":    {"", "-n -i -w"},
	"w32tm":      {"/query", ""},
}

// The programs whose commands the documents also have in sentences and tables.
var (
	ofLinux  = []string{"dig", "systemctl", "journalctl", "curl", "ip", "tcpdump", "openssl"}
	ofOthers = []string{"netstat", "sntp", "nslookup", "curl.exe", "ipconfig", "route", "w32tm", "pktmon"} // macOS and Windows
)

// TestCommandsOfOthers checks the commands of other programs by name and flags, and those of make by target. Those of
// this repository's programs are run by tests of the programs.
func TestCommandsOfOthers(t *testing.T) {
	commands, err := shelldoc.In("..", slices.Concat([]string{"make", "promtool"}, ofLinux, ofOthers)...)
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(read(t, "../Makefile"), -1)
	for _, c := range commands {
		program, rest := c.Program(), c.Words[1:]
		if program == "endpoint_exporter" || program == "endpoint_lab" {
			continue
		}
		if program == "make" {
			if !slices.ContainsFunc(targets, func(target []string) bool { return target[1] == rest[0] }) {
				t.Errorf("%s: make %s: no such target", c.Place, rest[0])
			}
			continue
		}
		info, ok := known[program]
		if !ok {
			t.Errorf("%s: program %s is not known", c.Place, program)
			continue
		}
		if info.subcommands != "" && (len(rest) == 0 || !slices.Contains(strings.Fields(info.subcommands), rest[0])) {
			t.Errorf("%s: %s has no subcommand %v", c.Place, program, rest)
		}
		for _, word := range rest {
			flag, _, _ := strings.Cut(word, "=")
			if len(flag) > 1 && (flag[0] == '-' || flag[0] == '+' && program == "dig") && !slices.Contains(strings.Fields(info.flags), flag) {
				t.Errorf("%s: %s %s: the flag is not known", c.Place, program, flag)
			}
		}
	}
}

// TestCommandsOfSystems tests that check.md names, in its table of systems, what takes the place of each command that
// the pages for technicians have: the commands of a table row have the same program, and the same first flag or word.
func TestCommandsOfSystems(t *testing.T) {
	_, table, ok := strings.Cut(read(t, "check.md"), "\n| Linux | macOS | Windows |\n")
	if !ok {
		t.Fatal("check.md has no table of systems")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	have := make(map[string]bool)
	for _, row := range strings.Split(table, "\n")[1:] {
		cells := strings.Split(row, " | ")
		if len(cells) != 3 {
			t.Fatalf("%d cells in %s", len(cells), row)
		}
		found, err := shelldoc.Find("check.md", cells[0], ofLinux...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range found {
			have[kindOf(&found[i])] = true
		}
	}
	for _, page := range []string{"check.md", "runbooks.md", "troubleshooting.md"} {
		found, err := shelldoc.Find(page, read(t, page), ofLinux...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range found {
			if kind := kindOf(&found[i]); !have[kind] && found[i].Program() != "endpoint_exporter" {
				t.Errorf("%s: the table of systems in check.md has nothing for %s", found[i].Place, kind)
			}
		}
	}
}

// kindOf returns a command's program with its first flag or subcommand; commands that differ only in arguments have
// the same kind.
func kindOf(c *shelldoc.Command) string {
	info := known[c.Program()]
	for _, word := range c.Words[1:] {
		if slices.Contains(strings.Fields(info.subcommands+" "+info.flags), word) {
			return c.Program() + " " + word
		}
	}
	return c.Program()
}

// TestQuotedOutput tests that check.md quotes what the program prints: a golden file of package present.
func TestQuotedOutput(t *testing.T) {
	printed := read(t, "../internal/present/testdata/inspected.txt")
	quoted := regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(read(t, "check.md"), -1)
	if len(quoted) < 2 {
		t.Fatalf("%d quotations", len(quoted))
	}
	for _, q := range quoted {
		if !strings.Contains(printed, q[1]) {
			t.Errorf("check.md quotes what is not printed:\n%s", q[1])
		}
	}
}
