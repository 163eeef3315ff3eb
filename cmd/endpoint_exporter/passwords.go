package main

import (
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Bounds of the checks of passwords that have not been accepted before. One costs about 60 ms of processor time, with
// a hash of bcrypt's usual cost 10.
const (
	maxNetworks = 1024 // whose checks are counted
	maxAccepted = 64   // credentials that are remembered
)

var (
	perNetwork  = pace{interval: time.Second, burst: 16}
	allNetworks = pace{interval: 250 * time.Millisecond, burst: 64}
)

// pace is how many checks may be made: burst at once, and one more after each interval.
type pace struct {
	interval time.Duration
	burst    int
}

// passwords bounds the processor time that wrong passwords cost, so that a client that tries them delays no other.
// Package web of exporter-toolkit checks passwords one after the other and remembers 100 results, of wrong ones too.
// Credentials that have been accepted are not bounded. Others are checked one at a time, and refused with status 429
// if too many are tried.
type passwords struct {
	checking chan struct{} // holds a value while credentials are checked that have not been accepted before

	mu       sync.Mutex
	accepted map[[sha256.Size]byte]bool
	networks map[netip.Prefix]*allowance
	all      allowance
}

func newPasswords() *passwords {
	return &passwords{
		checking: make(chan struct{}, 1), accepted: make(map[[sha256.Size]byte]bool), networks: make(map[netip.Prefix]*allowance),
	}
}

// allowance is what is left of the checks that may be made. Its zero value is a full allowance. It is not a
// [golang.org/x/time/rate.Limiter], which cannot take back a token that has been used: a check of a right password does
// not count.
type allowance struct {
	used int // checks that count still
	at   time.Time
}

// take takes one check, if one is left.
func (a *allowance) take(now time.Time, p pace) bool {
	if restored := int(now.Sub(a.at) / p.interval); restored >= a.used {
		a.used, a.at = 0, now
	} else {
		a.used, a.at = a.used-restored, a.at.Add(time.Duration(restored)*p.interval)
	}
	if a.used >= p.burst {
		return false
	}
	a.used++
	return true
}

type attemptKey struct{}

// before makes the handler that gets requests before their password is checked by next.
func (p *passwords) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok || r.Context().Value(attemptKey{}) != nil { // several listeners have one server
			next.ServeHTTP(w, r)
			return
		}
		credentials := sha256.Sum256([]byte(user + "\x00" + password))
		refund, known := p.begin(credentials, r.RemoteAddr)
		if refund == nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many passwords are being tried", http.StatusTooManyRequests)
			return
		}
		leave := func() {}
		if !known {
			select {
			case p.checking <- struct{}{}:
				leave = sync.OnceFunc(func() { <-p.checking })
				defer leave()
			case <-r.Context().Done():
				return
			}
		}
		accepted := false
		accept := func() {
			accepted = true
			leave()
			refund()
			p.record(credentials, true)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), attemptKey{}, accept)))
		if !accepted {
			p.record(credentials, false)
		}
	})
}

// after makes the handler that gets requests whose password is right, or that need none.
func (p *passwords) after(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if accept, ok := r.Context().Value(attemptKey{}).(func()); ok {
			accept()
		}
		next.ServeHTTP(w, r)
	})
}

// begin takes one check from the allowances of a client and of all, and returns how to give it back; nil if there is
// none left. Credentials that have been accepted before need none.
func (p *passwords) begin(credentials [sha256.Size]byte, client string) (refund func(), known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.accepted[credentials] {
		return func() {}, true
	}
	var network netip.Prefix
	if address, err := netip.ParseAddrPort(client); err == nil {
		network = networkOf(net.TCPAddrFromAddrPort(address))
	}
	own := p.networks[network]
	if own == nil {
		if len(p.networks) >= maxNetworks {
			clear(p.networks) // the allowance of all still holds
		}
		own = new(allowance)
		p.networks[network] = own
	}
	now := time.Now()
	if !own.take(now, perNetwork) || !p.all.take(now, allNetworks) {
		return nil, false
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		own.used, p.all.used = max(0, own.used-1), max(0, p.all.used-1)
	}, false
}

// record keeps credentials that were accepted, and forgets those that were not.
func (p *passwords) record(credentials [sha256.Size]byte, accepted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !accepted {
		delete(p.accepted, credentials)
		return
	}
	if len(p.accepted) >= maxAccepted {
		clear(p.accepted)
	}
	p.accepted[credentials] = true
}
