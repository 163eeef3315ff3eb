package main

import (
	"os"
	"runtime"

	"github.com/endpoint-exporter/endpoint_exporter/internal/config"
)

// pathsPerProcessor is how many configured paths make Go's scheduler use another processor. Walks wait for the network
// most of the time: those of 64 paths, to one address each, take some 30 ms of processor time. Each further processor
// is woken again and again in a round to find little or nothing to do.
const pathsPerProcessor = 64

// adaptProcessors sets how many processors Go's scheduler uses, by the paths of a configuration, unless GOMAXPROCS is
// set in the environment. It never uses more than Go's default, and no fewer than least. Where the kernel does not time
// packets (see package sockclock) the default stays, because a walk that waits for a processor would report too long a
// time.
func adaptProcessors(c *config.Config, least int) {
	if runtime.GOOS != "linux" || os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	if n := max(least, processorsFor(countPaths(c))); n < runtime.GOMAXPROCS(0) {
		runtime.GOMAXPROCS(n)
	}
}

func processorsFor(paths int) int { return 1 + max(0, paths-1)/pathsPerProcessor }

// countPaths counts the configured paths of all endpoints.
func countPaths(c *config.Config) (paths int) {
	for i := range c.Endpoints {
		paths += len(c.Endpoints[i].Paths)
	}
	return paths
}
