package config

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// hungDisk is a disk whose stat of one path does not return until release is closed.
func hungDisk(path string, release <-chan struct{}) (d *disk, stats *int) {
	d = newDisk()
	stats = new(int)
	d.stat = func(name string) (fs.FileInfo, error) {
		if name == path {
			*stats++
			<-release
		}
		return os.Stat(name)
	}
	return d, stats
}

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

// TestDiskHungMount: an operation that does not return ends at the deadline, and no other is started for its path
// until it has.
func TestDiskHungMount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const path = "/mnt/ca.pem"
		release := make(chan struct{})
		d, stats := hungDisk(path, release)
		begin := time.Now()
		if _, err := d.info(path); !errors.Is(err, errHung) || time.Since(begin) != d.deadline {
			t.Errorf("got %v after %s, want %v after %s", err, time.Since(begin), errHung, d.deadline)
		}
		for range 10 {
			begin = time.Now()
			if _, err := d.read(path); !errors.Is(err, errHung) || time.Since(begin) != 0 {
				t.Errorf("while it hangs: got %v after %s, want %v at once", err, time.Since(begin), errHung)
			}
		}
		if *stats != 1 {
			t.Errorf("%d operations were started, want 1", *stats)
		}
		close(release)
		synctest.Wait()
		if _, err := d.info(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after the mount is back: got %v, want %v", err, fs.ErrNotExist)
		}
	})
}

// TestRefreshHungMount: a round does not wait for a CA file on a hung mount, and the anchor that was read stays in use.
func TestRefreshHungMount(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ca.pem")
	ca, _, _ := selfSigned(t, elliptic.P256(), "Site CA")
	put(t, path, ca)
	loaded, err := loadFile(t, dir, "trust: {site: {ca_file: ca.pem}}")
	if err != nil {
		t.Fatal(err)
	}
	before := loaded.Get("site")
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d, _ := hungDisk(path, release)
		loaded.Anchors.files[0].disk = d
		for _, most := range []time.Duration{refreshPatience, 0, 0} {
			begin := time.Now()
			if err := loaded.Refresh(); err != nil || time.Since(begin) > most {
				t.Errorf("got %v after %s, want no error after at most %s", err, time.Since(begin), most)
			}
		}
		time.Sleep(d.deadline) //nolint:forbidigo // virtual time
		synctest.Wait()
		if err := loaded.Refresh(); !errors.Is(err, errHung) {
			t.Errorf("after the deadline: got %v, want %v", err, errHung)
		}
		if err := loaded.Refresh(); err != nil {
			t.Errorf("the same error is returned again: %v", err)
		}
		if loaded.Get("site") != before {
			t.Error("the anchor is not in use any more")
		}
		close(release)
		synctest.Wait()
		if err := loaded.Refresh(); err != nil {
			t.Errorf("after the mount is back: %v", err)
		}
		synctest.Wait()
	})
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

// TestLoadSlowConfiguration: a configuration that is a FIFO without a writer fails at the deadline.
func TestLoadSlowConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		reader, writer := io.Pipe()
		d.open = func(string) (io.ReadCloser, error) { return reader, nil }
		if _, err := d.read("config.yml"); !errors.Is(err, errHung) {
			t.Errorf("got %v, want %v", err, errHung)
		}
		writer.Close()
		synctest.Wait()
	})
}
