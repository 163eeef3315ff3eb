package dns

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/share"
)

// maxViews bounds the resolvers whose view is remembered.
const maxViews = 64

// viewTest compares what the servers of a whoami name answer to a resolver and to this machine.
type viewTest struct {
	client   *ZoneClient
	resolver netip.AddrPort
	name     string
	same     bool
}

// SameView reports whether the resolver's queries were shown to leave from the same address as this machine's, at
// most an hour ago: the servers of name answer with the address of the asker. It returns false if this could not be
// shown.
func (c *ZoneClient) SameView(ctx context.Context, resolver netip.AddrPort, name string) bool {
	call, err := c.views.Join(resolver, foundLifetime, searchBudget, func() *viewTest {
		return &viewTest{client: c, resolver: resolver, name: name}
	})
	return err == nil && call.Wait(ctx) && call.Computation().same
}

// Run makes the comparison.
func (t *viewTest) Run(ctx context.Context) (keep bool) {
	theirs := Lookup(ctx, t.client.options.Exchanger, t.resolver, t.name, 0, nil).Addresses
	if len(theirs) > 0 {
		for _, typ := range Types {
			for _, s := range t.client.Confirm(ctx, []netip.AddrPort{t.resolver}, t.name, typ, 1, time.Time{}) {
				for _, step := range s.Steps {
					for _, r := range step.Records {
						t.same = t.same || r.Addr.IsValid() && slices.Contains(theirs, r.Addr.Unmap())
					}
				}
			}
		}
	}
	return t.same || ctx.Err() == nil
}

// newViews returns the group that shares view tests.
func newViews(now func() time.Time) *share.Group[netip.AddrPort, *viewTest] {
	return share.NewGroup[netip.AddrPort, *viewTest](share.Options{Now: now, MaxKept: maxViews})
}
