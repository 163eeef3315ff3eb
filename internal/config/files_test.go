package config

import (
	"crypto/elliptic"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hungDisk is a disk whose stat of one path does not return until release is closed.
func hungDisk(path string, release <-chan struct{}) (d *disk, stats *atomic.Int32) {
	d = newDisk()
	stats = new(atomic.Int32)
	d.stat = func(name string) (fs.FileInfo, error) {
		if name == path {
			stats.Add(1)
			<-release
		}
		return os.Stat(name)
	}
	return d, stats
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
		if n := stats.Load(); n != 1 {
			t.Errorf("%d operations were started, want 1", n)
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
