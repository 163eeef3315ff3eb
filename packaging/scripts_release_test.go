//go:build release

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMaintainerScriptsLeaveTheChoiceToTheAdministrator runs the scripts, as dpkg and rpm do, where systemd seems to
// run, and reads what they ask of it.
func TestMaintainerScriptsLeaveTheChoiceToTheAdministrator(t *testing.T) {
	const (
		reload  = "daemon-reload\n"
		install = "enable --now endpoint_exporter.service\n"
		restart = "try-restart endpoint_exporter.service\n"
		asked   = "is-enabled --quiet endpoint_exporter.service\n"
		start   = "start endpoint_exporter.service\n"
		stop    = "stop endpoint_exporter.service\n"
		disable = "disable --now endpoint_exporter.service\n"
	)
	for name, test := range map[string]struct {
		calls    []string
		disabled bool // by the administrator
		want     string
	}{
		"dpkg installs": {calls: []string{"preinstall.sh install", "postinstall.sh configure ''"}, want: reload + install},
		"dpkg upgrades": {calls: []string{"preinstall.sh upgrade 1.0.0 2.0.0", "postinstall.sh configure 1.0.0"}, want: reload + restart},
		"dpkg removes":  {calls: []string{"preremove.sh remove", "postremove.sh remove"}, want: stop + reload},
		"dpkg purges":   {calls: []string{"postremove.sh purge"}, want: reload},
		"dpkg installs what it has removed": {
			calls: []string{"preinstall.sh install 1.0.0 1.0.0", "postinstall.sh configure 1.0.0"}, want: reload + asked + start,
		},
		"dpkg installs what was disabled, then removed": {
			calls: []string{"preinstall.sh install 1.0.0 1.0.0", "postinstall.sh configure 1.0.0"}, disabled: true, want: reload + asked,
		},
		"dpkg upgrades what it had installed again": {
			calls: []string{"preinstall.sh install 1.0.0 1.0.0", "postinstall.sh configure 1.0.0", "preinstall.sh upgrade 1.0.0 2.0.0", "postinstall.sh configure 1.0.0"},
			want:  reload + asked + start + reload + restart,
		},
		"dpkg takes back an installation, and upgrades later": {
			calls: []string{"preinstall.sh install 1.0.0 1.0.0", "postremove.sh abort-install 1.0.0", "postinstall.sh configure 1.0.0"},
			want:  reload + reload + restart,
		},
		"dpkg takes back a removal": {calls: []string{"preremove.sh remove", "postinstall.sh abort-remove"}, want: stop + reload + asked + start},
		"dpkg is about to upgrade":  {calls: []string{"preremove.sh upgrade 2.0.0"}},
		"dpkg fails to upgrade":     {calls: []string{"preremove.sh failed-upgrade 1.0.0"}},
		"rpm installs":              {calls: []string{"preinstall.sh 1", "postinstall.sh 1"}, want: reload + install},
		"rpm upgrades": {
			calls: []string{"preinstall.sh 2", "postinstall.sh 2", "preremove.sh 1", "postremove.sh 1"}, want: reload + restart + reload,
		},
		"rpm removes":                     {calls: []string{"preremove.sh 0", "postremove.sh 0"}, want: disable + reload},
		"rpm removes, and installs again": {calls: []string{"preremove.sh 0", "postremove.sh 0", "preinstall.sh 1", "postinstall.sh 1"}, want: disable + reload + reload + install},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			said := filepath.Join(dir, "said")
			enabled := "true"
			if test.disabled {
				enabled = "false"
			}
			systemctl := "#!/bin/sh\necho \"$@\" >>" + said + "\n[ \"$1\" != is-enabled ] || " + enabled + "\n"
			if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(systemctl), 0o755); err != nil {
				t.Fatal(err)
			}
			// A new mount namespace, in which /run has only the directory that shows that systemd runs.
			script := "mount -t tmpfs none /run; mkdir -p /run/systemd/system"
			for _, call := range test.calls {
				script += "; sh " + call
			}
			command := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-euc", script+"; ls /run")
			command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
			if out, err := command.CombinedOutput(); err != nil || string(out) != "systemd\n" {
				t.Fatalf("%v; left behind:\n%s", err, out)
			}
			got, err := os.ReadFile(said)
			if err != nil && test.want != "" {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("calls\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestScriptsWithoutSystemd runs the scripts as in the build of an image.
func TestScriptsWithoutSystemd(t *testing.T) {
	for _, call := range []string{"preinstall.sh install 1.0.0 1.0.0", "postinstall.sh configure 1.0.0", "preremove.sh remove", "postremove.sh remove"} {
		command := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-euc", "mount -t tmpfs none /run; sh "+call+"; ls /run")
		if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", call, err, out)
		}
	}
}

// TestRPMFiles compares the two packages file by file.
func TestRPMFiles(t *testing.T) {
	rpm := only(t, "Linux Package", "rpm")
	inRPM := make(map[string]bool)
	for line := range strings.Lines(run(t, "rpm", "--query", "--package", "--nosignature", "--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]", rpm)) {
		// Debian's zsh looks in another directory.
		inRPM[strings.Replace(strings.TrimSpace(line), "/zsh/site-functions/", "/zsh/vendor-completions/", 1)] = true
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
	for file := range inRPM {
		if strings.Contains(file, "compose") {
			t.Errorf("%s needs a checkout", file)
		}
	}
	for _, file := range []string{
		"-rwxr-xr-x root " + installed, "-rw-r--r-- root " + configuration, "-rw-r--r-- root " + unit,
		"-rw-r--r-- root /usr/share/man/man1/endpoint_exporter.1.gz", "-rw-r--r-- root /usr/share/doc/endpoint-exporter/THIRD_PARTY_LICENSES.txt",
		"-rw-r--r-- root /usr/share/endpoint_exporter/alerts/endpoint.rules.yml",
		"-rw-r--r-- root /usr/share/bash-completion/completions/endpoint_exporter",
		"-rw-r--r-- root /usr/share/zsh/vendor-completions/_endpoint_exporter",
		"-rw-r--r-- root /usr/share/fish/vendor_completions.d/endpoint_exporter.fish",
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

// TestUnitSandbox compares the score of the sandbox (0 is closed, 10 is open) with a bound that leaves only what an
// exporter needs: the network, and reading the host's files.
func TestUnitSandbox(t *testing.T) {
	said := run(t, "systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", "endpoint_exporter.service")
	for _, line := range strings.Split(said, "\n") {
		if strings.HasPrefix(line, "✗") {
			t.Log(line)
		}
	}
}
