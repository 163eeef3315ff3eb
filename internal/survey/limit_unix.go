//go:build unix

package survey

import "golang.org/x/sys/unix"

// DescriptorLimit returns how many files this process may have open; 0 if that is not known. At start Go raises the
// soft limit to the hard one.
func DescriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<20))
}
