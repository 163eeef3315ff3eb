package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress rewrites one line of a terminal with what is being done and for how long; elsewhere it says nothing.
type progress struct {
	w       io.Writer
	started time.Time
	end     chan struct{}
	done    sync.WaitGroup

	mu   sync.Mutex
	text string
}

// startProgress begins to show progress on w if that is a terminal.
func startProgress(w io.Writer) *progress {
	p := &progress{w: w, started: time.Now(), end: make(chan struct{})}
	if isTerminal(w) {
		p.done.Go(p.show)
	}
	return p
}

// say changes the text of the line.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// stop clears the line.
func (p *progress) stop() {
	close(p.end)
	p.done.Wait()
}

func (p *progress) show() {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	const clearLine = "\r\x1b[K"
	for {
		select {
		case <-p.end:
			fmt.Fprint(p.w, clearLine)
			return
		case <-tick.C:
			p.mu.Lock()
			fmt.Fprintf(p.w, "%s%s … %.0f s", clearLine, p.text, time.Since(p.started).Seconds())
			p.mu.Unlock()
		}
	}
}
