package trust

import (
	"crypto/x509"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/devicecert"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// TestJudgeRemembers asks anchors about the same few lists at many moments, in any order. An anchor that remembers must
// judge as a new one does.
func TestJudgeRemembers(t *testing.T) {
	const host = "a.example"
	arm := mint(t, nil, spec{subject: named(t, "ARM Bootstrap CA"), ca: true, from: -30 * day, to: 30 * day})
	issuing := mint(t, arm, spec{subject: named(t, "Issuing CA"), ca: true, from: -20 * day, to: 20 * day})
	other := mint(t, nil, spec{subject: named(t, "Other CA"), ca: true})
	leaf := mint(t, arm, spec{names: []string{host}, from: -10 * day, to: 10 * day}).cert.Raw
	altered := slices.Clone(leaf)
	altered[len(altered)-1] ^= 1
	lists := [][][]byte{
		{leaf}, {altered}, {leaf, issuing.cert.Raw},
		chain(mint(t, issuing, spec{names: []string{host}, from: -25 * day, to: 40 * day}), issuing),
		chain(mint(t, other, spec{names: []string{host}})), chain(mint(t, arm, spec{names: []string{"other.example"}})),
	}
	pool := x509.NewCertPool()
	pool.AddCert(arm.cert)
	anchors := map[string]func() *Anchor{
		"key":   func() *Anchor { return must[*Anchor](t)(NewKey(must[Name](t)(ParseName(armName)), spki(t, arm))) },
		"CAs":   func() *Anchor { return must[*Anchor](t)(NewCAs(nil, inPEM(arm))) },
		"roots": func() *Anchor { return NewRoots(pool) },
	}
	var moments []time.Time
	for _, at := range []int{-25, -20, -10, 0, 10, 20, 30} {
		for _, by := range []time.Duration{-time.Hour, -3 * time.Second, -time.Second, -1, 0, 1, time.Second, 3 * time.Second, time.Hour} {
			moments = append(moments, now.Add(time.Duration(at)*day+by))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for name, anchor := range anchors {
		t.Run(name, func(t *testing.T) {
			warm, hits := anchor(), 0
			for range 400 {
				s := Subject{
					Chain: lists[random.IntN(len(lists))], Client: []measurement.Client{measurement.Device, measurement.Web}[random.IntN(2)],
					KeyProved: random.IntN(8) > 0, SignatureChecked: true, Host: []string{host, "other.example"}[random.IntN(2)],
					Now: moments[random.IntN(len(moments))],
				}
				if name == "roots" && s.Now.After(now.Add(30*day-maxRemembered)) {
					continue // the dates of a pool's roots cannot be read
				}
				if _, known := warm.judgements.get(keyOf(&s), s.Now); known && s.KeyProved {
					hits++
				}
				if got, want := warm.Judge(s), anchor().Judge(s); !reflect.DeepEqual(got, want) {
					t.Fatalf("list %d at %v for %s by %q, key proved %v:\n%+v, want\n%+v", len(s.Chain), s.Now, s.Host, s.Client, s.KeyProved, got, want)
				}
			}
			if hits == 0 {
				t.Error("nothing was remembered")
			}
		})
	}
}

// TestRememberedHolds has one certificate that is valid from -1 h to 1 h.
func TestRememberedHolds(t *testing.T) {
	leaf := &devicecert.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	for name, test := range map[string]struct {
		made, asked time.Duration
		want        bool
	}{
		"at once":                             {0, 0, true},
		"the next round":                      {0, time.Minute, true},
		"the clock set back a little":         {0, -time.Minute, true},
		"as long as it is remembered":         {0, maxRemembered - 1, true},
		"no longer":                           {0, maxRemembered, false},
		"before its end":                      {59 * time.Minute, time.Hour - dateMargin - 1, true},
		"around its end":                      {59 * time.Minute, time.Hour - dateMargin, false},
		"after its end":                       {59 * time.Minute, time.Hour + dateMargin + time.Second, false},
		"made around its end":                 {time.Hour - time.Second, time.Hour - time.Second, false},
		"made around its begin":               {-time.Hour + time.Second, -time.Hour + time.Second, false},
		"made around its begin, asked before": {-time.Hour + time.Second, -time.Hour - 3*time.Second, false},
		"made after its begin":                {-time.Hour + 3*time.Second, -time.Hour + 3*time.Second, true},
		"the clock set back to its begin":     {-time.Hour + 3*time.Second, -time.Hour + time.Second, false},
		"the clock set back before it":        {-time.Hour + 3*time.Second, -time.Hour - time.Second, false},
		"the clock set back by a long time":   {0, -maxRemembered - 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var cache judgementCache
			key := keyOf(&Subject{Host: "a.example"})
			cache.put(key, &Judgement{Seen: true}, []*devicecert.Certificate{leaf}, now.Add(test.made))
			if j, known := cache.get(key, now.Add(test.asked)); known != test.want || known && !j.Seen {
				t.Errorf("known %v, want %v", known, test.want)
			}
		})
	}
}

func TestJudgementCacheIsBounded(t *testing.T) {
	var cache judgementCache
	for i := range 3 * maxCached {
		cache.put(keyOf(&Subject{Host: strconv.Itoa(i)}), &Judgement{}, nil, now)
	}
	if n := len(cache.good); n > maxCached {
		t.Errorf("%d judgements are remembered", n)
	}
}

// TestKeyOf has subjects whose parts have the same bytes in a row.
func TestKeyOf(t *testing.T) {
	seen := make(map[[32]byte]bool)
	for _, s := range []Subject{
		{}, {Host: "ab"}, {Client: "ab"}, {Client: "a", Host: "b"}, {Chain: [][]byte{[]byte("ab")}}, {Chain: [][]byte{[]byte("a"), []byte("b")}},
		{Chain: [][]byte{[]byte("ab"), nil}}, {Host: "a", Chain: [][]byte{[]byte("b")}},
	} {
		key := keyOf(&s)
		if seen[key] {
			t.Errorf("%+v has the key of another subject", s)
		}
		seen[key] = true
	}
}

// TestJudgeRemembersOnlyAuthentic has a server of which nothing is known: its own certificates are not kept.
func TestJudgeRemembersOnlyAuthentic(t *testing.T) {
	anchor := NoAnchor()
	s := Subject{Chain: chain(mint(t, nil, spec{names: []string{"a.example"}})), Client: measurement.Web, KeyProved: true, Host: "a.example", Now: now}
	if j := anchor.Judge(s); !j.Unjudged || j.Verdict != Good || len(anchor.judgements.good) != 0 {
		t.Errorf("unjudged %v, verdict %q, %d remembered", j.Unjudged, j.Verdict, len(anchor.judgements.good))
	}
}
