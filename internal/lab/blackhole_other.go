//go:build !unix

package lab

import (
	"errors"
	"net"
)

// shrinkBacklog is told of no other system.
func shrinkBacklog(*net.TCPListener) error { return errors.ErrUnsupported }
