package lab

import (
	"context"
	"net"
	"sync"
	"time"
)

// segment is data in transit.
type segment struct {
	arrival time.Time
	data    []byte
}

// maxSegments bounds the segments in transit in one direction.
const maxSegments = 256

// delayed returns the far end of a connection whose data takes d in each direction. Both copying goroutines end when
// either end is closed; wg waits for them.
func delayed(ctx context.Context, wg *sync.WaitGroup, near net.Conn, d time.Duration) net.Conn {
	inner, far := net.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	end := func() { cancel(); inner.Close(); near.Close() }
	wg.Go(func() { defer end(); copyDelayed(ctx, inner, near, d) })
	wg.Go(func() { defer end(); copyDelayed(ctx, near, inner, d) })
	return far
}

// copyDelayed copies from src to dst and writes each segment d after it was read.
func copyDelayed(ctx context.Context, dst, src net.Conn, d time.Duration) {
	transit := make(chan segment, maxSegments)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(transit)
	wg.Go(func() {
		for p := range transit {
			if !sleepUntil(ctx, p.arrival) {
				continue // empty the channel, so that the reader never blocks
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
			transit <- segment{time.Now().Add(d), buffer[:n]}
		}
		if err != nil {
			return
		}
	}
}

// sleepUntil waits until a time; it returns false if ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	select {
	case <-time.After(time.Until(t)):
		return true
	case <-ctx.Done():
		return false
	}
}
