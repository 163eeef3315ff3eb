//go:build !linux

package lab

import (
	"errors"
	"net"
)

// Other systems treat a full backlog in other ways.

func shrinkBacklog(*net.TCPListener) error { return errors.ErrUnsupported }

func backlogOf(*net.TCPListener) (waiting, limit int, err error) { return 0, 0, errors.ErrUnsupported }
