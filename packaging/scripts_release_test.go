//go:build release

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMaintainerScriptsLeaveTheChoiceToTheAdministrator runs the scripts, as dpkg and rpm do, where systemd seems to run,
// and reads what they ask of it.
func TestMaintainerScriptsLeaveTheChoiceToTheAdministrator(t *testing.T) {
	const (
		reload  = "daemon-reload\n"
		start   = "enable --now endpoint_exporter.service\n"
		restart = "try-restart endpoint_exporter.service\n"
		stop    = "disable --now endpoint_exporter.service\n"
	)
	for name, test := range map[string]struct {
		script string
		args   []string
		want   string
	}{
		"dpkg installs":                    {"postinstall.sh", []string{"configure", ""}, reload + start},
		"dpkg upgrades":                    {"postinstall.sh", []string{"configure", "1.0.0"}, reload + restart},
		"dpkg takes back a failed removal": {"postinstall.sh", []string{"abort-remove"}, reload + restart},
		"rpm installs":                     {"postinstall.sh", []string{"1"}, reload + start},
		"rpm upgrades":                     {"postinstall.sh", []string{"2"}, reload + restart},
		"dpkg removes":                     {"preremove.sh", []string{"remove"}, stop},
		"dpkg is about to upgrade":         {"preremove.sh", []string{"upgrade", "2.0.0"}, ""},
		"dpkg fails to upgrade":            {"preremove.sh", []string{"failed-upgrade", "1.0.0"}, ""},
		"rpm removes":                      {"preremove.sh", []string{"0"}, stop},
		"rpm removes the version before":   {"preremove.sh", []string{"1"}, ""},
		"dpkg has removed":                 {"postremove.sh", []string{"remove"}, reload},
		"rpm has removed":                  {"postremove.sh", []string{"0"}, reload},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			said := filepath.Join(dir, "said")
			if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte("#!/bin/sh\necho \"$@\" >>"+said+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			// A mount namespace of its own in which /run is empty but for the sign that systemd runs.
			command := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-euc",
				`mount -t tmpfs none /run; mkdir -p /run/systemd/system; script=$1; shift; exec sh "$script" "$@"`, "sh", test.script}, test.args...)...)
			command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got, err := os.ReadFile(said)
			if err != nil && test.want != "" {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("asked\n%sdue\n%s", got, test.want)
			}
		})
	}
}

// TestScriptsDoNothingWithoutSystemd is how packages are put into images.
func TestScriptsDoNothingWithoutSystemd(t *testing.T) {
	for _, script := range []string{"postinstall.sh", "preremove.sh", "postremove.sh"} {
		command := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-euc", `mount -t tmpfs none /run; exec sh "$@"`, "sh", script, "remove")
		if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

// TestRPMHoldsWhatTheDebHolds compares the two packages file by file.
func TestRPMHoldsWhatTheDebHolds(t *testing.T) {
	rpm := only(t, "Linux Package", "rpm")
	inRPM := make(map[string]bool)
	for line := range strings.Lines(run(t, "rpm", "--query", "--package", "--nosignature", "--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]", rpm)) {
		inRPM[strings.TrimSpace(line)] = true
	}
	inDeb := make(map[string]bool)
	for line := range strings.Lines(run(t, "dpkg-deb", "--contents", only(t, "Linux Package", "deb"))) {
		if f := strings.Fields(line); !strings.HasSuffix(f[5], "/") {
			owner, _, _ := strings.Cut(f[1], "/")
			inDeb[f[0]+" "+owner+" "+strings.TrimPrefix(f[5], ".")] = true
		}
	}
	for file := range inRPM {
		if !inDeb[file] {
			t.Errorf("only in the rpm: %s", file)
		}
		delete(inDeb, file)
	}
	for file := range inDeb {
		t.Errorf("only in the deb: %s", file)
	}
	for _, file := range []string{
		"-rwxr-xr-x root " + installed, "-rw-r--r-- root " + configuration, "-rw-r--r-- root " + unit,
		"-rw-r--r-- root /usr/share/man/man1/endpoint_exporter.1.gz", "-rw-r--r-- root /usr/share/endpoint_exporter/alerts/endpoint.rules.yml",
	} {
		if !inRPM[file] {
			t.Errorf("not in the packages: %s", file)
		}
	}
	kept := run(t, "rpm", "--query", "--package", "--nosignature", "--queryformat", "[%{FILEFLAGS:fflags} %{FILENAMES}\n]", rpm)
	for _, file := range []string{configuration, "/etc/default/endpoint_exporter"} {
		if !strings.Contains(kept, "cn "+file+"\n") { // configuration, not replaced
			t.Errorf("an upgrade of the rpm replaces %s:\n%s", file, kept)
		}
	}
}

// TestUnitIsConfined holds the sandbox to a score (0 is closed, 10 is open) that leaves only what an exporter needs: the
// network, and the host's files to read.
func TestUnitIsConfined(t *testing.T) {
	said := run(t, "systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", "endpoint_exporter.service")
	for _, line := range strings.Split(said, "\n") {
		if strings.HasPrefix(line, "✗") {
			t.Log(line)
		}
	}
}
