package share

import "sync"

// Each calls f for 0 to n-1 at the same time and returns when all calls have. The last one runs in the caller's
// goroutine: a goroutine less is a processor less to wake where the calls are few and short.
func Each(n int, f func(i int)) {
	if n <= 0 {
		return
	}
	var others sync.WaitGroup
	defer others.Wait()
	for i := range n - 1 {
		others.Go(func() { f(i) })
	}
	f(n - 1)
}
