package staleness

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// TestWhyKindsComplete compares the list with the constants in the source.
func TestWhyKindsComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "why.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "WhyKind" {
			return true
		}
		declared++
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || !slices.Contains(WhyKinds, WhyKind(value)) {
			t.Errorf("%s is not in WhyKinds (%v)", spec.Names[0], err)
		}
		return true
	})
	if declared != len(WhyKinds) {
		t.Errorf("%d constants, %d in WhyKinds", declared, len(WhyKinds))
	}
}
