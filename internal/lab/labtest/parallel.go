package labtest

import (
	"flag"
	"strconv"
)

// SetParallel lets n tests that call t.Parallel run at the same time, instead of one per processor: for packages whose
// tests wait for programs and timeouts. TestMain calls it before it runs the tests.
func SetParallel(n int) {
	flag.Parse() // so that the default of the flag does not replace n
	if err := flag.Set("test.parallel", strconv.Itoa(n)); err != nil {
		panic(err) // not in a test binary
	}
}
