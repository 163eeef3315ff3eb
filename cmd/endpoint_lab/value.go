package main

import (
	"fmt"
	"strconv"
	"time"
)

// Bounds of what can be asked of a lab. Each address has a listener for every path of its host, and RFC 2181 §8 gives a TTL
// 31 bits.
const (
	maxAddresses = 256
	maxTTL       = 1<<31 - 1
	maxPort      = 1<<16 - 1
)

// number is the value of a flag: a whole number within bounds. Unlike kingpin's own values it says which flag is wrong.
type number[T int | uint16 | uint32] struct {
	flag        string
	least, most uint64
	into        *T
}

func (n *number[T]) String() string { return fmt.Sprint(*n.into) }

// Set implements [kingpin.Value].
func (n *number[T]) Set(text string) error {
	parsed, err := strconv.ParseUint(text, 10, 64)
	if err != nil || parsed < n.least || parsed > n.most {
		return fmt.Errorf("--%s=%s: not a whole number from %d to %d", n.flag, text, n.least, n.most)
	}
	*n.into = T(parsed)
	return nil
}

// silence is the value of a flag: a duration, 0 for none.
type silence struct {
	flag string
	into *time.Duration
}

func (s *silence) String() string { return s.into.String() }

// Set implements [kingpin.Value].
func (s *silence) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return fmt.Errorf("--%s=%s: not a duration such as 30s, or 0 for none", s.flag, text)
	}
	*s.into = parsed
	return nil
}
