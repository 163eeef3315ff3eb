package main

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

func TestProcessorsFor(t *testing.T) {
	for paths, want := range map[int]int{0: 1, 1: 1, 12: 1, 64: 1, 65: 2, 128: 2, 129: 3, 10_000: 157} {
		t.Run(fmt.Sprintf("%d paths: %d", paths, want), func(t *testing.T) {
			if got := processorsFor(paths); got != want {
				t.Errorf("%d", got)
			}
		})
	}
}

// TestAdaptProcessors changes the processors of this process. It must not run beside other tests.
func TestAdaptProcessors(t *testing.T) {
	t.Cleanup(runtime.SetDefaultGOMAXPROCS)
	runtime.SetDefaultGOMAXPROCS()
	most := runtime.GOMAXPROCS(0)
	adapted := func(n int) int {
		if runtime.GOOS != "linux" {
			return most
		}
		return min(n, most)
	}
	for _, test := range []struct {
		name  string
		hosts int // with two paths each
		least int
		env   string
		want  int
	}{
		{"few paths: one processor", 6, 1, "", adapted(1)},
		{"a reload to many: all", 32 * most, 1, "", most},
		{"a reload to more than one processor's: another one", 33, 1, "", adapted(2)},
		{"GOMAXPROCS is set: as before", 6, 1, "3", adapted(2)},
		{"few paths, but passwords to check: two", 6, 2, "", adapted(2)},
		{"more than there are: all", 6, most + 1, "", most},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("GOMAXPROCS", test.env)
			c := new(config.Config)
			for range test.hosts {
				c.Endpoints = append(c.Endpoints, config.Endpoint{Paths: make([]measurement.Path, 2)})
			}
			adaptProcessors(c, test.least)
			if got := runtime.GOMAXPROCS(0); got != test.want {
				t.Errorf("%d processors, want %d", got, test.want)
			}
		})
	}
}
