package shelldoc

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"fenced block":           {"```sh\nls -l\n```", "ls -l"},
		"block of another kind":  {"```text\nls -l\n```", ""},
		"block without a kind":   {"```\nls -l\n```", ""},
		"block in a list":        {"1. Look:\n   ```sh\n   ls -l\n   ```", "ls -l"},
		"continued line":         {"```sh\nls \\\n  -l\n```", "ls -l"},
		"comment":                {"```sh\nls -l # all\n# nothing\n```", "ls -l"},
		"pipe, list, background": {"```sh\nls -l | wc -l && true; false &\n```", "ls -l/wc -l/true/false"},
		"redirections":           {"```sh\nls -l >out 2>&1 </dev/null -a\n```", "ls -l -a"},
		"quotes":                 {"```sh\nls 'a b' \"c # d\"\n```", "ls a b c # d"},
		"variable and sudo":      {"```sh\nFOO=1 sudo ls\n```", "ls"},
		"go run":                 {"```sh\ngo run ./cmd/endpoint_lab list\n```", "endpoint_lab list"},
		"image": {
			"```sh\ndocker run -p 1:1 endpoint-exporter/endpoint_exporter --help\n```",
			"docker run -p 1:1 endpoint-exporter/endpoint_exporter/endpoint_exporter --help",
		},
		"inline code":             {"run `endpoint_exporter check HOST` there", "endpoint_exporter check HOST"},
		"inline name":             {"what `endpoint_exporter` does, and `ls -l`", ""},
		"inline code in a block":  {"```text\n`endpoint_exporter check`\n```", ""},
		"inline code after block": {"```text\n```\n`endpoint_exporter check`", "endpoint_exporter check"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Find("x.md", test.text, "endpoint_exporter")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range found {
				got = append(got, strings.Join(c.Words, " "))
			}
			if strings.Join(got, "/") != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
	if found, err := Find("x.md", "```sh\nls 'a\n```"); err == nil || err.Error() != "x.md:2: quote ' is not closed: 'a" {
		t.Errorf("an open quote gives %v, %v", found, err)
	}
}
