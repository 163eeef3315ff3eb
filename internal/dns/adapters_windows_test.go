package dns

import "testing"

// TestReadAdapters reads the adapters of this machine. Every machine has a loopback adapter.
func TestReadAdapters(t *testing.T) {
	adapters, err := readAdapters()
	if err != nil || len(adapters) == 0 {
		t.Fatalf("%d adapters, %v", len(adapters), err)
	}
	t.Logf("%+v", adapters)
	resolvers, err := SystemResolvers()
	if err != nil || len(resolvers) > maxResolvers {
		t.Errorf("%v, %v", resolvers, err)
	}
}
