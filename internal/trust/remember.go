package trust

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
)

// judgementCache remembers good judgements of authentic lists by all bytes of the list, the client and the host, since
// a site shows the same certificates in each round. It remembers nothing about the server's proof of its key: a list
// whose key is not proved is judged again, and so is every list with a bad verdict. Only an authority can make an
// entry. The zero value is empty.
type judgementCache struct {
	mu   sync.Mutex
	good map[[sha256.Size]byte]remembered
}

// remembered is a good judgement, and the times between which it holds.
type remembered struct {
	judgement   Judgement
	from, until time.Time
}

const (
	// maxRemembered is how long a judgement is remembered at most: roots in a pool of package x509 have dates that
	// cannot be read.
	maxRemembered = 10 * time.Minute
	// dateMargin is the time around a date of a certificate in which its lists are judged in each round. Clients differ
	// in whether the second of the date counts.
	dateMargin = 2 * time.Second
)

// keyOf returns the key of a subject.
func keyOf(s *Subject) [sha256.Size]byte {
	h := sha256.New()
	part := func(b []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		h.Write(length[:])
		h.Write(b)
	}
	part([]byte(s.Client))
	part([]byte(s.Host))
	for _, c := range s.Chain {
		part(c)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (c *judgementCache) get(key [sha256.Size]byte, now time.Time) (Judgement, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, known := c.good[key]
	return r.judgement, known && !now.Before(r.from) && now.Before(r.until)
}

// put remembers a good judgement that was made now, for as long as none of the certificates that it rests on begins or
// ceases to be valid.
func (c *judgementCache) put(key [sha256.Size]byte, j *Judgement, on []*devicecert.Certificate, now time.Time) {
	r := remembered{judgement: *j, from: now.Add(-maxRemembered), until: now.Add(maxRemembered)}
	for _, one := range on {
		r.limit(one, now)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good == nil || len(c.good) >= maxCached {
		c.good = make(map[[sha256.Size]byte]remembered)
	}
	c.good[key] = r
}

// limit ends the times at the dates of a certificate. If one of them is about now, no time is left.
func (r *remembered) limit(c *devicecert.Certificate, now time.Time) {
	for _, date := range []time.Time{c.NotBefore, c.NotAfter} {
		begin, end := date.Add(-dateMargin), date.Add(dateMargin)
		switch {
		case now.Before(begin) && begin.Before(r.until):
			r.until = begin
		case now.Before(begin):
		case now.Before(end):
			r.until = r.from
			return
		case end.After(r.from):
			r.from = end
		}
	}
}
