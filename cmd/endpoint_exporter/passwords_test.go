package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const scraper = "prometheus" // the user

// bcryptHandler stands for the handler of exporter-toolkit: it checks one password at a time, each for 60 ms.
type bcryptHandler struct {
	turn     chan struct{} // not a mutex, on which virtual time would stand still
	password string
	checks   atomic.Int64
	next     http.Handler
}

func (h *bcryptHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.turn <- struct{}{}
	h.checks.Add(1)
	time.Sleep(60 * time.Millisecond) //nolint:forbidigo // virtual time
	_, password, _ := r.BasicAuth()
	right := password == h.password
	<-h.turn
	if !right {
		http.Error(w, "", http.StatusUnauthorized)
		return
	}
	h.next.ServeHTTP(w, r)
}

// TestPasswords has 64 clients try wrong passwords for 5 s in a loop, while one with the right password scrapes.
func TestPasswords(t *testing.T) {
	const duration, round = 5 * time.Second, 3 * time.Second
	for name, test := range map[string]struct {
		attackers, scraper string
		known              bool // the scraper has had a response before
		networks           int
		status             int
		took, checks       int64 // at most; milliseconds
	}{
		"the scraper is known: not delayed":                               {"192.0.2.%d:1", "198.51.100.1:1", true, 1, 200, 3120, 25},
		"the scraper is known, its network attacks: not delayed":          {"198.51.100.%d:1", "198.51.100.1:1", true, 1, 200, 3120, 25},
		"the scraper is new: waits for the first passwords":               {"192.0.2.%d:1", "198.51.100.1:1", false, 1, 200, 4100, 25},
		"the scraper is known, 64 networks attack: not delayed":           {"192.0.2.%d:1", "198.51.100.1:1", true, 64, 200, 3120, 90},
		"the scraper is new, its network attacks: refused, not forgotten": {"198.51.100.%d:1", "198.51.100.1:1", false, 1, 429, 10, 25},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPasswords()
				inner := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(round) }) //nolint:forbidigo // virtual time
				checked := &bcryptHandler{turn: make(chan struct{}, 1), password: "right", next: p.after(inner)}
				handler := p.before(checked)
				ask := func(client, password string) int {
					request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
					request.RemoteAddr = client
					request.SetBasicAuth(scraper, password)
					recorder := httptest.NewRecorder()
					handler.ServeHTTP(recorder, request)
					return recorder.Code
				}
				if test.known && ask(test.scraper, "right") != http.StatusOK {
					t.Fatal("the right password is refused")
				}
				before := checked.checks.Load()
				var all sync.WaitGroup
				end := time.Now().Add(duration)
				for i := range 64 {
					all.Go(func() {
						for n := 0; time.Now().Before(end); n++ {
							if code := ask(fmt.Sprintf(test.attackers, 1+i%test.networks), fmt.Sprint(i, n)); code == http.StatusOK {
								t.Error("a wrong password is right")
							}
							time.Sleep(50 * time.Millisecond) //nolint:forbidigo // virtual time
						}
					})
				}
				time.Sleep(50 * time.Millisecond) //nolint:forbidigo // virtual time
				started := time.Now()
				if code := ask(test.scraper, "right"); code != test.status || time.Since(started).Milliseconds() > test.took {
					t.Errorf("status %d after %v, want %d", code, time.Since(started), test.status)
				}
				all.Wait()
				if n := checked.checks.Load() - before; n > test.checks {
					t.Errorf("%d passwords are checked", n)
				}
				time.Sleep(time.Minute) //nolint:forbidigo // virtual time
				if code := ask(test.scraper, "right"); code != http.StatusOK {
					t.Errorf("after the attack: status %d", code)
				}
				checked.password = "changed"
				if code := ask(test.scraper, "right"); code != http.StatusUnauthorized {
					t.Errorf("a password that was replaced: status %d", code)
				}
				if len(p.accepted) != 0 || len(p.checking) != 0 {
					t.Errorf("%d credentials are known, %d are being checked", len(p.accepted), len(p.checking))
				}
			})
		})
	}
}
