//go:build release

package packaging

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/lab/program"
)

const (
	openRC     = "/etc/init.d/endpoint_exporter"
	openRCConf = "/etc/conf.d/endpoint_exporter"
)

// unpackAPK extracts Alpine's package, which is tar archives one after another, each compressed by itself: the control
// files, whose names begin with a dot, and the files to install. It returns the latter: mode, owner and name, of a
// symbolic link only the name.
func unpackAPK(t *testing.T, into string) (files map[string]bool) {
	t.Helper()
	file, err := os.Open(only(t, "Linux Package", "apk"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	files = make(map[string]bool)
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(into, filepath.Clean("/"+h.Name))
		if h.Typeflag != tar.TypeDir {
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, data, h.FileInfo().Mode().Perm()); err != nil {
				t.Fatal(err)
			}
		case tar.TypeSymlink:
			if err := os.Symlink(h.Linkname, to); err != nil {
				t.Fatal(err)
			}
		}
		if h.Typeflag != tar.TypeDir && !strings.HasPrefix(h.Name, ".") {
			name := "/" + strings.TrimPrefix(h.Name, "/")
			if h.Typeflag == tar.TypeSymlink {
				files["link "+name] = true
			} else {
				files[h.FileInfo().Mode().String()+" "+h.Uname+" "+name] = true
			}
		}
	}
}

// TestAPKFiles compares the two packages file by file. They differ in the service.
func TestAPKFiles(t *testing.T) {
	inAPK := unpackAPK(t, t.TempDir())
	for _, file := range []string{"-rwxr-xr-x root " + openRC, "-rw-r--r-- root " + openRCConf} {
		if !inAPK[file] {
			t.Errorf("not in the apk: %s", file)
		}
		delete(inAPK, file)
	}
	for line := range strings.Lines(run(t, "dpkg-deb", "--contents", only(t, "Linux Package", "deb"))) {
		f := strings.Fields(line)
		// Debian's zsh looks in another directory.
		name := strings.Replace(strings.TrimPrefix(f[5], "."), "/zsh/vendor-completions/", "/zsh/site-functions/", 1)
		if strings.HasSuffix(name, "/") || name == unit || name == "/etc/default/endpoint_exporter" {
			continue
		}
		owner, _, _ := strings.Cut(f[1], "/")
		file := f[0] + " " + owner + " " + name
		if f[0][0] == 'l' {
			file = "link " + name
		}
		if !inAPK[file] {
			t.Errorf("only in the deb: %s", file)
		}
		delete(inAPK, file)
	}
	for file := range inAPK {
		t.Errorf("only in the apk: %s", file)
	}
}

// TestAPKRunsWithoutALibrary starts what the service names in the root that holds only the package, as another user. It
// is not installed by apk, which Debian does not have.
func TestAPKRunsWithoutALibrary(t *testing.T) {
	root := t.TempDir()
	unpackAPK(t, root)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	info := readFile(t, filepath.Join(root, ".PKGINFO"))
	for _, want := range []string{"pkgname = endpoint-exporter\n", "arch = x86_64\n", "license = Apache-2.0\n"} {
		if !strings.Contains(info, want) {
			t.Errorf("the package states\n%s\nwithout %q", info, want)
		}
	}

	// The service's variables, as OpenRC reads them from the two files.
	script := `set -eu; . "$1` + openRCConf + `"; . "$1` + openRC + `"; printf '%s\n' "$command" "$command_args" "$command_user" "$GOMEMLIMIT"`
	service := strings.Split(run(t, "sh", "-c", script, "sh", root), "\n")
	if service[0] != installed || service[2] != "endpoint_exporter:endpoint_exporter" || service[3] == "" {
		t.Fatalf("the service is %q", service)
	}
	if err := os.WriteFile(filepath.Join(root, configuration), []byte(quiet), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append(strings.Fields(service[1]), "--web.listen-address=127.0.0.1:0")
	command := exec.Command(service[0], args...)
	command.Dir = "/"
	command.Env = []string{"GOMEMLIMIT=" + service[3]}
	command.SysProcAttr = chrooted(root)
	address := program.Start(t, command)
	scrapeOnce(t, address)
	runsAsNobody(t, address)
}

// TestAPKCreatesItsAccount runs the script of the package, before and after the account is there, with programs that
// write down how they are called.
func TestAPKCreatesItsAccount(t *testing.T) {
	root := t.TempDir()
	unpackAPK(t, root)
	script := filepath.Join(root, ".pre-install")
	for there, want := range map[string]string{
		"1": `^addgroup -S endpoint_exporter\nadduser -S -D -H -h /dev/null -s /sbin/nologin -G endpoint_exporter -g endpoint_exporter endpoint_exporter\n$`,
		"0": `^$`,
	} {
		bin := t.TempDir()
		for name, body := range map[string]string{"addgroup": `echo "addgroup $*"`, "adduser": `echo "adduser $*"`, "getent": "exit " + there} {
			if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		command := exec.CommandContext(t.Context(), "sh", script)
		command.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
		out, err := command.CombinedOutput()
		if err != nil || !regexp.MustCompile(want).Match(out) {
			t.Errorf("getent exits with %s: %v\n%s", there, err, out)
		}
	}
}
