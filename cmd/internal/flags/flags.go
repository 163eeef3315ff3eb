// Package flags defines command-line flags whose errors name the flag and the accepted values. Those of kingpin's own
// types name the rejected value only: strconv.ParseInt: parsing "x": invalid syntax.
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

// value is a [kingpin.Value] of any type.
type value[T any] struct {
	name  string
	want  string // the accepted values, for errors
	into  *T
	parse func(text string) (parsed T, ok bool)
}

// set makes value the value of a flag.
func set[T any](flag *kingpin.FlagClause, into *T, want string, parse func(string) (T, bool)) *kingpin.FlagClause {
	flag.SetValue(&value[T]{name: flag.Model().Name, want: want, into: into, parse: parse})
	return flag
}

func (v *value[T]) Set(text string) error {
	parsed, ok := v.parse(text)
	if !ok {
		return fmt.Errorf("--%s: %q is not %s", v.name, measurement.Text(text), v.want)
	}
	*v.into = parsed
	return nil
}

func (v *value[T]) String() string { return fmt.Sprint(*v.into) }

// Duration defines the value of a flag as a duration longer than 0.
func Duration(flag *kingpin.FlagClause, into *time.Duration) *kingpin.FlagClause {
	return set(flag, into, "a duration such as 90s or 30m", func(text string) (time.Duration, bool) {
		parsed, err := time.ParseDuration(text)
		return parsed, err == nil && parsed > 0
	})
}

// DurationOrNone defines the value of a flag as a duration, with 0 for none.
func DurationOrNone(flag *kingpin.FlagClause, into *time.Duration) *kingpin.FlagClause {
	return set(flag, into, "a duration such as 30s, or 0s for none", func(text string) (time.Duration, bool) {
		parsed, err := time.ParseDuration(text)
		return parsed, err == nil && parsed >= 0
	})
}

// Number defines the value of a flag as a whole number within bounds.
func Number[T int | uint16 | uint32](flag *kingpin.FlagClause, into *T, least, most T) *kingpin.FlagClause {
	return set(flag, into, fmt.Sprintf("a whole number from %d to %d", least, most), func(text string) (T, bool) {
		parsed, err := strconv.ParseInt(text, 10, 64)
		return T(parsed), err == nil && parsed >= int64(least) && parsed <= int64(most)
	})
}

// Choice defines the value of a flag as one of some words, which a shell completes.
func Choice(flag *kingpin.FlagClause, into *string, words ...string) *kingpin.FlagClause {
	return set(flag.HintOptions(words...), into, "one of "+strings.Join(words, ", "), func(text string) (string, bool) {
		return text, slices.Contains(words, text)
	})
}

// Missing returns the error of arguments that end with a flag without its value, and nil for others. kingpin's own
// error does not say what to write. examples are values by the name of the flag.
func Missing(app *kingpin.Application, args []string, examples map[string]string) error {
	if len(args) == 0 {
		return nil
	}
	name, isFlag := strings.CutPrefix(args[len(args)-1], "--")
	if !isFlag {
		return nil
	}
	model := app.Model()
	all := slices.Clone(model.Flags)
	for _, c := range model.Commands {
		all = append(all, c.Flags...)
	}
	for _, flag := range all {
		if flag.Name != name || flag.IsBoolFlag() {
			continue
		}
		if example := examples[name]; example != "" {
			return fmt.Errorf("--%s needs a value, for example --%s=%s", name, name, example)
		}
		return fmt.Errorf("--%s needs a value: --%s=%s", name, name, flag.FormatPlaceHolder())
	}
	return nil
}
