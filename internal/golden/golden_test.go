package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that records its errors.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestEqual(t *testing.T) {
	const before = "one\ntwo\nthree\n"
	for name, test := range map[string]struct {
		file, got, left string // the file before ("" for none), the result, and the file after
		update          bool
		want            []string // parts of the error; none for no error
	}{
		"equal":                          {file: before, got: before, left: before},
		"equal, update":                  {file: before, got: before, left: before, update: true},
		"different gives a unified diff": {file: before, got: "one\n2\nthree\n", left: before, want: []string{"\n-two\n+2\n three\n", "GOLDEN_UPDATE=1"}},
		"different, update writes":       {file: before, got: "one\n2\n", left: "one\n2\n", update: true},
		"no file":                        {got: before, want: []string{"no such file", "GOLDEN_UPDATE=1"}},
		"no file, update writes":         {got: before, left: before, update: true},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "case.txt")
			if test.file != "" {
				if err := os.WriteFile(file, []byte(test.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := &recorder{TB: t}
			equal(r, file, test.got, test.update)
			if (len(r.errors) == 0) != (len(test.want) == 0) {
				t.Fatalf("errors %q", r.errors)
			}
			for _, part := range test.want {
				if !strings.Contains(r.errors[0], part) {
					t.Errorf("error %q lacks %q", r.errors[0], part)
				}
			}
			if left, _ := os.ReadFile(file); string(left) != test.left {
				t.Errorf("file is %q, want %q", left, test.left)
			}
		})
	}
}

func TestExact(t *testing.T) {
	for name, test := range map[string]struct {
		update bool
		errors int
		left   int
	}{
		"a file without case is an error": {errors: 1, left: 2},
		"update removes it":               {update: true, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range []string{"used.txt", "left.txt"} {
				if err := os.WriteFile(filepath.Join(dir, file), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := &recorder{TB: t}
			exact(r, filepath.Join(dir, "*.txt"), []string{filepath.Join(dir, "used.txt")}, test.update)
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || len(r.errors) != test.errors || len(files) != test.left {
				t.Errorf("errors %q, files %q, %v", r.errors, files, err)
			}
		})
	}
}
