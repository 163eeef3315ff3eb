// Package closedlist helps tests to prove that a closed list is complete: it reads the constants of a type from the
// source of the package that declares them, so that tests need no second list.
package closedlist

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Constants lists the values of the string constants of a type that the package in dir declares, in the order of its
// files. It fails the test if it finds no constant.
func Constants(t testing.TB, dir, typeName string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == typeName {
				for _, v := range spec.Values {
					if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						value, _ := strconv.Unquote(lit.Value) // the parser has accepted it
						out = append(out, value)
					}
				}
			}
			return false
		})
	}
	if len(out) == 0 {
		t.Fatalf("%s declares no constant of type %s", dir, typeName)
	}
	return out
}
