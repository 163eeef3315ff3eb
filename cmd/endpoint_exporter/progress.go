package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress rewrites one line of a terminal with what is being done and for how long; elsewhere it does nothing.
type progress struct {
	w       io.Writer
	started time.Time
	end     chan struct{}
	done    sync.WaitGroup

	stopping sync.Once
	writing  sync.Mutex // of the terminal
	shown    bool       // the line; under writing

	mu   sync.Mutex
	text string
	ends time.Time // latest end of what is being done; zero: not known
}

// startProgress begins to show progress on w if that is a terminal.
func startProgress(w io.Writer) *progress {
	p := &progress{w: w, started: time.Now(), end: make(chan struct{})}
	if width, _, ok := terminalSize(w); ok {
		p.done.Go(func() { p.show(width) })
	}
	return p
}

// set changes the text of the line.
func (p *progress) set(text string) { p.setUntil(text, time.Time{}) }

// setUntil changes the text of the line, which also shows how much time is left at most.
func (p *progress) setUntil(text string, ends time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.ends = text, ends
}

// line returns the line as it is now.
func (p *progress) line(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("%.0f s: %s", now.Sub(p.started).Seconds(), p.text)
	if !p.ends.IsZero() {
		line += fmt.Sprintf(", at most %s to go", max(0, p.ends.Sub(now)).Round(time.Second))
	}
	return line
}

// stop clears the line. It may be called again.
func (p *progress) stop() {
	p.stopping.Do(func() { close(p.end) })
	p.done.Wait()
}

// aside clears the line and calls a function that may write to the same terminal.
func (p *progress) aside(f func()) {
	p.writing.Lock()
	defer p.writing.Unlock()
	if p.shown {
		p.write(clearLine)
		p.shown = false
	}
	f()
}

const clearLine = "\r\x1b[K"

// show rewrites the line until stop. A line that does not fit would not be cleared completely, so it is cut. The last
// columns are left for the ^C that the terminal shows.
func (p *progress) show(width int) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.end:
			p.aside(func() {})
			return
		case <-tick.C:
			line := []rune(p.line(time.Now()))
			if width > 0 {
				line = line[:min(len(line), max(0, width-len("^C")-1))]
			}
			p.writing.Lock()
			p.write(clearLine + string(line))
			p.shown = true
			p.writing.Unlock()
		}
	}
}

// write ignores errors: the terminal may be gone.
func (p *progress) write(s string) { _, _ = io.WriteString(p.w, s) }
