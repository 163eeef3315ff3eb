package lab

import (
	"context"
	"net"
	"sync"
	"time"
)

// parcel is data on its way, due to arrive at a time.
type parcel struct {
	due  time.Time
	data []byte
}

// delayDepth bounds the parcels on their way in one direction.
const delayDepth = 256

// delayed carries a connection through a path that takes d each way and returns the far end. Both pumps end when either
// end is closed; wg waits for them.
func delayed(ctx context.Context, wg *sync.WaitGroup, near net.Conn, d time.Duration) net.Conn {
	inner, far := net.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	end := func() { cancel(); inner.Close(); near.Close() }
	wg.Go(func() { defer end(); carry(ctx, inner, near, d) })
	wg.Go(func() { defer end(); carry(ctx, near, inner, d) })
	return far
}

// carry copies from src to dst, each piece d after it was read.
func carry(ctx context.Context, dst, src net.Conn, d time.Duration) {
	line := make(chan parcel, delayDepth)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(line)
	wg.Go(func() {
		for p := range line {
			if !sleepUntil(ctx, p.due) {
				continue // drain, so that the reader never waits for us
			}
			if _, err := dst.Write(p.data); err != nil {
				src.Close()
			}
		}
	})
	for {
		buffer := make([]byte, 16<<10)
		n, err := src.Read(buffer)
		if n > 0 {
			line <- parcel{time.Now().Add(d), buffer[:n]}
		}
		if err != nil {
			return
		}
	}
}

// sleepUntil waits for a moment; false if ctx ended first.
func sleepUntil(ctx context.Context, moment time.Time) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
