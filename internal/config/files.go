package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// disk reads files that may be on a mount that hangs, or be something else than files. It is safe for concurrent use.
type disk struct {
	deadline time.Duration // of one operation
	stat     func(path string) (fs.FileInfo, error)
	open     func(path string) (io.ReadCloser, error)

	stuck sync.Map // the paths whose last operation has not ended within the deadline, and still runs
}

// newDisk returns the disk of this machine. An operation on a local disk takes milliseconds; a network file system
// that answers after more than 5 s is of no use either.
func newDisk() *disk {
	return &disk{
		deadline: 5 * time.Second,
		stat:     os.Stat,
		open:     func(path string) (io.ReadCloser, error) { return os.Open(path) },
	}
}

var localDisk = newDisk()

// errHung is the error of an operation that did not end within the deadline.
var errHung = errors.New("no answer from the file system; is a mount hung?")

// within runs an operation on a path until the deadline. The system has no way to cancel it: one that hangs goes on
// in the background, and as long as it does no other is started for the same path.
func within[T any](d *disk, path string, operation func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	if _, stuck := d.stuck.Load(path); !stuck {
		done := make(chan result, 1)
		go func() {
			value, err := operation()
			done <- result{value, err}
		}()
		select {
		case r := <-done:
			return r.value, r.err
		case <-time.After(d.deadline):
		}
		d.stuck.Store(path, nil)
		go func() {
			<-done
			d.stuck.Delete(path)
		}()
	}
	var none T
	return none, &fs.PathError{Op: "read", Path: path, Err: errHung}
}

// info returns what tells one version of a file from another.
func (d *disk) info(path string) (fs.FileInfo, error) {
	return within(d, path, func() (fs.FileInfo, error) { return d.stat(path) })
}

// read returns the contents of a file of at most maxFile bytes.
func (d *disk) read(path string) ([]byte, error) {
	return within(d, path, func() ([]byte, error) {
		f, err := d.open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		if err != nil {
			return nil, err // which names the file
		}
		if len(data) > maxFile {
			return nil, fmt.Errorf("read %s: the file has more than %d bytes", path, maxFile)
		}
		return data, nil
	})
}

// readRegular is read for regular files only: opening a FIFO waits until something is written to it.
func (d *disk) readRegular(path string) ([]byte, error) {
	info, err := d.info(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	return d.read(path)
}

// watched is a set of files that are read again when one of them changes. Identity, size and time of modification
// tell that, so that an unchanged file costs a stat. It is not safe for concurrent use.
type watched struct {
	disk     *disk
	place    string // the key that names the files
	paths    []string
	use      func(contents [][]byte) error // takes new contents into use; what it returns an error for is not in use
	last     []fs.FileInfo                 // of the last successful load
	reported string                        // the error that was returned last, so that each error is returned once
}

// refresh takes the files' contents into use if a file has changed since that last succeeded. It returns an error only
// if it differs from the one before, so that a caller that logs it logs changes.
func (w *watched) refresh() error {
	err := w.reload()
	switch {
	case err == nil:
		w.reported = ""
	case err.Error() == w.reported:
		return nil
	default:
		w.reported = err.Error()
	}
	return err
}

func (w *watched) reload() error {
	now, contents := make([]fs.FileInfo, len(w.paths)), make([][]byte, len(w.paths))
	var err error
	for i, path := range w.paths {
		if now[i], err = w.disk.info(path); err != nil {
			return err
		}
	}
	if w.reported == "" && sameFiles(w.last, now) {
		return nil
	}
	for i, path := range w.paths {
		if contents[i], err = w.disk.readRegular(path); err != nil {
			return err
		}
	}
	if err := w.use(contents); err != nil {
		return err
	}
	w.last = now
	return nil
}

func sameFiles(a, b []fs.FileInfo) bool {
	return slices.EqualFunc(a, b, func(a, b fs.FileInfo) bool {
		return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
	})
}
