package share_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
)

func TestEach(t *testing.T) {
	for _, test := range []struct {
		name string
		n    int
		took time.Duration
	}{
		{"no call: nothing", 0, 0},
		{"one call: its time", 1, time.Second},
		{"three calls: the time of one", 3, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var called []int
				began := time.Now()
				share.Each(test.n, func(i int) {
					<-time.After(time.Second)
					mu.Lock()
					defer mu.Unlock()
					called = append(called, i)
				})
				slices.Sort(called)
				want := make([]int, test.n)
				for i := range want {
					want[i] = i
				}
				if took := time.Since(began); !slices.Equal(called, want) || took != test.took {
					t.Errorf("called %v in %v, want %v in %v", called, took, want, test.took)
				}
			})
		})
	}
}
