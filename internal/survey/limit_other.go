//go:build !unix

package survey

// DescriptorLimit returns 0: the number of open files has no known limit.
func DescriptorLimit() int { return 0 }
