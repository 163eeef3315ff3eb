// Package flags gives command-line flags values whose mistakes say which flag is meant, and within which bounds it is:
// kingpin's own name the value alone.
package flags

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/endpoint-exporter/endpoint_exporter/internal/measurement"
)

// value is a [kingpin.Value] made of two functions.
type value struct {
	flag  *kingpin.FlagClause
	parse func(text string) (problem string)
	shown func() string
}

func (v *value) Set(text string) error {
	if problem := v.parse(text); problem != "" {
		return fmt.Errorf("--%s: %q is not %s", v.flag.Model().Name, measurement.Text(text), problem)
	}
	return nil
}

func (v *value) String() string { return v.shown() }

// Duration makes a flag one of a duration that is longer than 0.
func Duration(flag *kingpin.FlagClause, into *time.Duration) *kingpin.FlagClause {
	return duration(flag, into, 1, "a duration such as 90s or 30m")
}

// DurationOrNone makes a flag one of a duration, 0 for none.
func DurationOrNone(flag *kingpin.FlagClause, into *time.Duration) *kingpin.FlagClause {
	return duration(flag, into, 0, "a duration such as 30s, or 0s for none")
}

func duration(flag *kingpin.FlagClause, into *time.Duration, least time.Duration, due string) *kingpin.FlagClause {
	flag.SetValue(&value{flag,
		func(text string) string {
			parsed, err := time.ParseDuration(text)
			if err != nil || parsed < least {
				return due
			}
			*into = parsed
			return ""
		},
		func() string { return into.String() },
	})
	return flag
}

// Number makes a flag one of a whole number within bounds.
func Number[T int | uint16 | uint32](flag *kingpin.FlagClause, into *T, least, most T) *kingpin.FlagClause {
	flag.SetValue(&value{flag,
		func(text string) string {
			parsed, err := strconv.ParseInt(text, 10, 64)
			if err != nil || parsed < int64(least) || parsed > int64(most) {
				return fmt.Sprintf("a whole number from %d to %d", least, most)
			}
			*into = T(parsed)
			return ""
		},
		func() string { return fmt.Sprint(*into) },
	})
	return flag
}

// Choice makes a flag one of some words.
func Choice(flag *kingpin.FlagClause, into *string, words ...string) *kingpin.FlagClause {
	flag.SetValue(&value{flag,
		func(text string) string {
			if !slices.Contains(words, text) {
				return "one of " + strings.Join(words, ", ")
			}
			*into = text
			return ""
		},
		func() string { return *into },
	})
	return flag
}
