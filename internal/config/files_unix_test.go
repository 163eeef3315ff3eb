//go:build unix

package config

import (
	"bytes"
	"crypto/elliptic"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDiskReadRegular(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	large := filepath.Join(dir, "large")
	fifo := filepath.Join(dir, "fifo")
	put(t, file, []byte("contents"))
	put(t, large, bytes.Repeat([]byte("x"), maxFile+1))
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ path, want string }{
		"a regular file":   {path: file},
		"no file":          {path: filepath.Join(dir, "none"), want: "no such file or directory"},
		"a directory":      {path: dir, want: "read " + dir + ": not a regular file"},
		"a FIFO":           {path: fifo, want: "read " + fifo + ": not a regular file"},
		"a device":         {path: "/dev/zero", want: "read /dev/zero: not a regular file"},
		"more than 1 MiB":  {path: large, want: "the file has more than 1048576 bytes"},
		"a name with NULs": {path: "a\x00b", want: "invalid argument"},
	} {
		data, err := newDisk().readRegular(test.path)
		if test.want == "" && (err != nil || string(data) != "contents") ||
			test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %q, %v; want %q", name, data, err, test.want)
		}
	}
}

// TestLoadFIFO: a FIFO that replaces a CA file after the start is refused too.
func TestLoadFIFO(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.pem")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadFile(t, dir, "trust: {site: {ca_file: ca.pem}}"); err == nil || !strings.Contains(err.Error(), "ca.pem: not a regular file") {
		t.Errorf("at start: got %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ca, _, _ := selfSigned(t, elliptic.P256(), "Site CA")
	put(t, path, ca)
	loaded, err := loadFile(t, dir, "trust: {site: {ca_file: ca.pem}}")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refreshed(t, loaded); err == nil || !strings.Contains(err.Error(), "ca.pem: not a regular file") {
		t.Errorf("at a refresh: got %v", err)
	}
}
