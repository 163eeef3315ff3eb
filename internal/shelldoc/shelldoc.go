// Package shelldoc finds the shell commands in the documentation, so that tests can run them or check their flags.
package shelldoc

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Command is one command of a document. Where the document runs a program of this repository by `go run` or in its
// container image, Words begin with the name of that program.
type Command struct {
	Place string // file and line
	Words []string
}

// Program is the name of the program.
func (c *Command) Program() string { return c.Words[0] }

// image is the container image, whose arguments are those of endpoint_exporter.
const image = "endpoint-exporter/endpoint_exporter"

// In returns the commands of every Markdown file under a directory: the lines of fenced blocks with the language sh,
// and those pieces of inline code that begin with one of the programs' names and have an argument.
func In(root string, inline ...string) ([]Command, error) {
	var out []Command
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".md" || d.Name() == "CHANGELOG.md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := Find(path, string(text), inline...)
		out = append(out, found...)
		return err
	})
	return out, err
}

var code = regexp.MustCompile("`([^`]+)`")

// Find returns the commands of one document.
func Find(file, text string, inline ...string) ([]Command, error) {
	var out []Command
	fence, pending := "", ""
	for i, line := range strings.Split(text, "\n") {
		place := fmt.Sprintf("%s:%d", file, i+1)
		trimmed := strings.TrimSpace(line)
		var sources []string
		switch {
		case strings.HasPrefix(trimmed, "```"):
			if fence != "" {
				fence = ""
			} else if fence = strings.TrimPrefix(trimmed, "```"); fence == "" {
				fence = "none"
			}
			continue
		case fence == "sh":
			if joined, more := strings.CutSuffix(trimmed, `\`); more {
				pending += joined
				continue
			}
			sources, pending = []string{pending + trimmed}, ""
		case fence == "":
			for _, match := range code.FindAllStringSubmatch(line, -1) {
				if program, _, more := strings.Cut(match[1], " "); more && slices.Contains(inline, program) {
					sources = append(sources, match[1])
				}
			}
		}
		for _, source := range sources {
			commands, err := parse(source)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", place, err)
			}
			for _, words := range commands {
				for _, w := range programs(words) {
					out = append(out, Command{place, w})
				}
			}
		}
	}
	return out, nil
}

// programs returns the command, and the one that the container image runs.
func programs(words []string) [][]string {
	if len(words) > 2 && words[0] == "go" && words[1] == "run" && strings.HasPrefix(words[2], "./cmd/") {
		return [][]string{append([]string{filepath.Base(words[2])}, words[3:]...)}
	}
	if i := slices.Index(words, image); i > 0 && words[1] == "run" {
		return [][]string{words[:i+1], append([]string{"endpoint_exporter"}, words[i+1:]...)}
	}
	return [][]string{words}
}

var (
	assignment = regexp.MustCompile(`^[A-Z_]+=`)
	// token is a comment, the end of a command, a redirection without its file, or a word with its quotes.
	token  = regexp.MustCompile(`^(?:#.*|[|&;]|(?:2?>|<)[2<>& ]*|(?:'[^']*'|"[^"]*"|[^ \t|&;<>'"])+)`)
	quoted = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
)

// parse splits a line into commands and words as a shell does, as far as documents need it: quotes, comments, pipes,
// lists and redirections, which are left out.
func parse(line string) ([][]string, error) {
	var out [][]string
	var words []string
	redirected := false // the next word is a file
	end := func() {
		for len(words) > 0 && (words[0] == "sudo" || words[0] == "$" || assignment.MatchString(words[0])) {
			words = words[1:]
		}
		if len(words) > 0 {
			out = append(out, words)
		}
		words, redirected = nil, false
	}
	for rest := strings.Trim(line, " \t"); rest != ""; {
		next := token.FindString(rest)
		switch {
		case next == "":
			return nil, fmt.Errorf("quote %c is not closed: %s", rest[0], rest)
		case next[0] == '#':
		case strings.Contains("|&;", next):
			end()
		case next[0] == '<', next[0] == '>', strings.HasPrefix(next, "2>"):
			redirected = true
		case redirected:
			redirected = false
		default:
			words = append(words, quoted.ReplaceAllString(next, "$1$2"))
		}
		rest = strings.TrimLeft(rest[len(next):], " \t")
	}
	end()
	return out, nil
}
