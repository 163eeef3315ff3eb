package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
)

// withCommon parses arguments as every command does, on a machine whose installed configuration is a file.
func withCommon(t *testing.T, installed string, args ...string) *common {
	t.Helper()
	app := kingpin.New("endpoint_exporter", "").Terminate(nil).UsageWriter(io.Discard).ErrorWriter(io.Discard)
	c := addCommon(app)
	c.installed = installed
	if _, err := app.Parse(args); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigurationInUse(t *testing.T) {
	const one = "catalogues: []\nprobe: {allow: [%s]}\n"
	installed := configFile(t, strings.ReplaceAll(one, "%s", "installed.example"))
	named := configFile(t, strings.ReplaceAll(one, "%s", "named.example"))
	broken := configFile(t, "surveys: {}\n")
	missing := filepath.Join(t.TempDir(), "config.yml")
	unreadable := t.TempDir() // a directory; root may read every file
	const builtin, hint = "bootstrap.us-east-1.mbedcloud.com", "hint: this file is read because it exists and --config.file is not given; " +
		"--config.file= uses the built-in catalogue only\n"
	for name, test := range map[string]struct {
		installed string
		args      []string
		source    string // what is in use
		shows     string // a part of what config prints
		stderr    string // the whole error, and exit code 2
	}{
		"no installed file, no flag: built-in":      {installed: missing, source: "the built-in catalogue", shows: builtin},
		"no place for one (Windows): built-in":      {installed: "", source: "the built-in catalogue", shows: builtin},
		"installed, no flag: installed":             {installed: installed, source: installed, shows: "installed.example"},
		"installed, flag: the flag's":               {installed: installed, args: []string{"--config.file=" + named}, source: named, shows: "named.example"},
		"installed, empty flag: built-in":           {installed: installed, args: []string{"--config.file="}, source: "the built-in catalogue", shows: builtin},
		"installed and broken, empty flag":          {installed: broken, args: []string{"--config.file="}, source: "the built-in catalogue", shows: builtin},
		"installed and broken: error with a hint":   {installed: broken, stderr: broken + ":1:1: surveys: unknown key; did you mean survey?\n" + hint},
		"installed and not a file: error with hint": {installed: unreadable, stderr: "read configuration: read " + unreadable + ": is a directory\n" + hint},
		"the flag's is missing: error, no hint": {
			installed: installed, args: []string{"--config.file=" + missing},
			stderr: "read configuration: open " + missing + ": no such file or directory\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := withCommon(t, test.installed, test.args...)
			var stdout, stderr bytes.Buffer
			code := (&showConfig{c}).run(t.Context(), &stdout, &stderr)
			if want := map[bool]int{true: exitOK, false: exitUsage}[test.stderr == ""]; code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
			if !strings.Contains(stdout.String(), test.shows) || stderr.String() != test.stderr {
				t.Errorf("printed %.200s\nand\n%swant\n%s", &stdout, &stderr, test.stderr)
			}
			if test.source != "" && c.source() != test.source {
				t.Errorf("source %q, want %q", c.source(), test.source)
			}
		})
	}
}

// TestInstalledConfigurationRemoved: a reload does not fall back to the built-in catalogue.
func TestInstalledConfigurationRemoved(t *testing.T) {
	installed := filepath.Join(t.TempDir(), "config.yml")
	c := withCommon(t, installed)
	if _, err := c.load(); err != nil || c.source() != "the built-in catalogue" {
		t.Fatalf("before it is there: %v, %s", err, c.source())
	}
	if err := os.WriteFile(installed, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.load(); err != nil || c.source() != installed {
		t.Fatalf("when it is there: %v, %s", err, c.source())
	}
	if err := os.Remove(installed); err != nil {
		t.Fatal(err)
	}
	if _, err := c.load(); err == nil {
		t.Error("after it is removed: the built-in catalogue is in use")
	}
}
