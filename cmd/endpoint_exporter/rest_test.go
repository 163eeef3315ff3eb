package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRest(t *testing.T) {
	request := func(at, takes time.Duration) [2]time.Duration { return [2]time.Duration{at, takes} }
	tests := []struct {
		name     string
		requests [][2]time.Duration
		want     []time.Duration // when memory is released, since the start
	}{
		{"nobody ever asks", nil, []time.Duration{restAfter}},
		{"a scrape before the first rest", [][2]time.Duration{request(restAfter/2, time.Second)}, []time.Duration{restAfter/2 + time.Second + restAfter}},
		{"a scrape that takes longer than a rest", [][2]time.Duration{request(0, 5*time.Second)}, []time.Duration{5*time.Second + restAfter}},
		{"two Prometheus servers, one after the other", [][2]time.Duration{request(0, 2*time.Second), request(2*time.Second+restAfter/2, time.Second)}, []time.Duration{3*time.Second + restAfter*3/2}},
		{"two Prometheus servers at a time", [][2]time.Duration{request(0, 2*time.Second), request(time.Second, 8*time.Second)}, []time.Duration{9*time.Second + restAfter}},
		{"a scrape each half minute", [][2]time.Duration{request(0, 0), request(30*time.Second, 0)}, []time.Duration{restAfter, 30*time.Second + restAfter}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []time.Duration
				r := newRest(func() { got = append(got, time.Since(start)) })
				for _, asked := range test.requests {
					go func() {
						<-time.After(asked[0])
						r.during(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-time.After(asked[1]) })).
							ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
					}()
				}
				<-time.After(time.Minute)
				r.Close()
				<-time.After(time.Minute)
				synctest.Wait()
				if !slices.Equal(got, test.want) {
					t.Errorf("released at %v, want %v", got, test.want)
				}
			})
		})
	}
}
