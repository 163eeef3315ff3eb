package main

import (
	"reflect"
	"testing"
)

func TestCompletionArguments(t *testing.T) {
	for name, test := range map[string]struct{ args, want []string }{
		"no completion":                {[]string{"--config.file=x", "="}, []string{"--config.file=x", "="}},
		"no arguments":                 {nil, nil},
		"no words":                     {[]string{completionFlag}, []string{completionFlag}},
		"words without a value":        {[]string{completionFlag, "check", ""}, []string{completionFlag, "check"}},
		"a value in three words":       {[]string{completionFlag, "--config.file", "=", "x", "check", "b", ""}, []string{completionFlag, "--config.file", "x", "check", "b"}},
		"a value in one word":          {[]string{completionFlag, "--config.file=x=y", "check", ""}, []string{completionFlag, "--config.file", "x=y", "check"}},
		"a value that is not complete": {[]string{completionFlag, "check", "--output", "="}, []string{completionFlag, "check", "--output", ""}},
		"the beginning of a command":   {[]string{completionFlag, "che"}, []string{completionFlag}},
		"the beginning of a flag":      {[]string{completionFlag, "check", "--ou"}, []string{completionFlag, "check", "--ou"}},
	} {
		if got := completionArguments(test.args); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
