package main

import (
	"slices"
	"strings"
)

// completionFlag is kingpin's flag that completion scripts put before the words of the command line.
const completionFlag = "--completion-bash"

// completionArguments prepares the words of a line that a shell completes for kingpin; other arguments are returned as
// they are. A flag and its value become two words, which bash makes three and other shells one. The word that is
// completed is left out unless it is a flag: the shell selects by it, and kingpin takes the beginning of a command for
// an argument of the default command.
func completionArguments(args []string) []string {
	if len(args) == 0 || args[0] != completionFlag {
		return args
	}
	out := []string{completionFlag}
	words := args[1:]
	for i, word := range words {
		switch name, value, found := strings.Cut(word, "="); {
		case i == len(words)-1 && !strings.HasPrefix(word, "-"):
			if strings.HasPrefix(out[len(out)-1], "-") && len(out) > 1 {
				out = append(out, "") // the value of a flag
			}
		case i == len(words)-1, !strings.HasPrefix(word, "--"):
			if word != "=" {
				out = append(out, word)
			}
		case found:
			out = append(out, name, value)
		default:
			out = append(out, word)
		}
	}
	return out
}

// targetHints lists the services and hosts of the configuration in use, which a shell completes; none if it cannot be
// loaded.
func (c *common) targetHints() (names []string) {
	loaded, err := c.load()
	if err != nil {
		return nil
	}
	for i := range loaded.Config.Endpoints {
		e := &loaded.Config.Endpoints[i]
		for _, name := range []string{e.Service, e.Host} {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
