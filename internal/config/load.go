package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Loaded is a configuration with the trust anchors and the client certificate that it describes. It is safe for
// concurrent use.
type Loaded struct {
	*Anchors
	Config     *Config
	Credential *Credential

	mu         sync.Mutex
	refreshing chan error // the result of a refresh that runs; nil if none does
}

// Load reads a configuration file and the files that it names. Relative names in it are taken from its own directory.
// The error of a file that is read but has mistakes is an [*Invalid].
func Load(path string) (*Loaded, error) { return loadWith(path, false) }

// LoadForTargets is [Load] for a command that probes the targets of its command line: a configuration with nothing to
// watch, for example with only resolvers and trust, is valid.
func LoadForTargets(path string) (*Loaded, error) { return loadWith(path, true) }

func loadWith(path string, targets bool) (*Loaded, error) {
	data, err := localDisk.read(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	loaded, err := load(data, dir, targets)
	if invalid, ok := errors.AsType[*Invalid](err); ok {
		invalid.File = path
	}
	return loaded, err
}

// LoadDefault loads [Default].
func LoadDefault() (*Loaded, error) { return load([]byte("{}"), "", false) }

func load(data []byte, dir string, targets bool) (*Loaded, error) {
	r := newReader(dir)
	r.open, r.targets = true, targets
	loaded := &Loaded{Config: r.parse(data), Anchors: r.anchors}
	loaded.Credential = r.credential(loaded.Config.ClientCertificate)
	if err := r.err(); err != nil {
		return nil, err
	}
	return loaded, nil
}

// refreshPatience is how long Refresh waits for files: a thousand times what a local disk needs, and too short to
// delay a round.
const refreshPatience = 100 * time.Millisecond

// Refresh reads again the files that have changed. What cannot be used leaves the last good contents in use, and its
// error is returned once. If files do not answer in time, Refresh returns without them: reading goes on in the
// background, its result is used when it is there, and a later call returns its error.
func (l *Loaded) Refresh() error {
	if len(l.files) == 0 && len(l.Credential.files) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := make(<-chan time.Time) // for a refresh that begins; one that runs has been waited for
	if l.refreshing == nil {
		running := make(chan error, 1)
		l.refreshing = running
		go func() { running <- l.refresh() }()
		wait = time.After(refreshPatience)
	} else if len(l.refreshing) == 0 {
		return nil
	}
	select {
	case err := <-l.refreshing:
		l.refreshing = nil
		return err
	case <-wait:
		return nil
	}
}

// refresh reads again the files that have changed, however long that takes.
func (l *Loaded) refresh() error {
	var errs []error
	for _, f := range slices.Concat(l.files, l.Credential.files) {
		if err := f.refresh(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.place, err))
		}
	}
	return errors.Join(errs...)
}
