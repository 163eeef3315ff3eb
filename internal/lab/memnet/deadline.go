package memnet

import (
	"sync"
	"time"
)

// deadline wakes the goroutines that wait on a condition when its time has come. The lock of the condition is held in
// its methods.
type deadline struct {
	at    time.Time // zero: none
	timer *time.Timer
}

// set changes the deadline and wakes the waiters, since it may have passed already.
func (d *deadline) set(at time.Time, change *sync.Cond) {
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.at = at; !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), func() {
			change.L.Lock() // a waiter has either seen that the time has passed or waits already
			defer change.L.Unlock()
			change.Broadcast()
		})
	}
	change.Broadcast()
}

// passed reports whether the deadline has passed.
func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }
