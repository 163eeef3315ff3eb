package promql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// TargetLabels are on every series whatever its metric: the scrape target's own, and the site that many installations
// add to it or set as an external label.
var TargetLabels = []string{"instance", "job", "site"}

// CheckExpr parses expr and reports every metric that known lacks, and every label that cannot be there where the
// expression names it. known gives each metric's own labels; TargetLabels need not be listed. The value that a matcher
// asks of a label whose list is closed must be on that list (a reason, a class, a phase; see [collector.Metric]).
func CheckExpr(expr string, known map[string][]string) error {
	_, err := Labels(expr, known)
	return err
}

// Labels is CheckExpr that also gives the labels that the result's series may have, sorted: the labels that a recording
// rule of this expression yields, or that an alert's texts may use.
func Labels(expr string, known map[string][]string) ([]string, error) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	c := checker{known: known}
	found := c.labels(tree)
	slices.Sort(found)
	return found, errors.Join(c.errs...)
}

// checker walks one expression from its leaves up; what each node yields is the set of labels that its series may have.
type checker struct {
	known map[string][]string
	errs  []error
}

func (c *checker) errorf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// requireLabels reports the names that are not among have, the labels of node.
func (c *checker) requireLabels(have, names []string, node parser.Node) {
	for _, name := range names {
		if !slices.Contains(have, name) {
			c.errorf("label %q cannot be in %s", name, node)
		}
	}
}

func (c *checker) labels(node parser.Expr) []string {
	switch n := node.(type) {
	case *parser.VectorSelector:
		return c.selector(n)
	case *parser.MatrixSelector, *parser.SubqueryExpr, *parser.ParenExpr, *parser.UnaryExpr, *parser.StepInvariantExpr:
		return c.labels(parser.Children(n)[0].(parser.Expr)) // the only one
	case *parser.AggregateExpr:
		return c.aggregate(n)
	case *parser.BinaryExpr:
		return c.binary(n)
	case *parser.Call:
		return c.call(n)
	case *parser.NumberLiteral, *parser.StringLiteral, *parser.DurationExpr:
		return nil
	}
	c.errorf("%T is not known here: %s", node, node)
	return nil
}

func (c *checker) selector(s *parser.VectorSelector) []string {
	name := ""
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			name = m.Value
		}
	}
	own, ok := c.known[name]
	if !ok {
		c.errorf("metric %q does not exist: %s", name, s)
		return nil
	}
	all := union(own, TargetLabels)
	have := all
	for _, m := range s.LabelMatchers {
		if m.Name == model.MetricNameLabel {
			continue
		}
		c.requireLabels(all, []string{m.Name}, s)
		c.value(m, closedValues(name)[m.Name], s)
		if only, ok := c.known[variant(name, m.Name, m.Value)]; ok && m.Type == labels.MatchEqual {
			have = union(only, TargetLabels)
		}
	}
	return have
}

// alternatives is a regular expression that lists plain values: what operators write, and where they mistype.
var alternatives = regexp.MustCompile(`^\w+(\|\w+)*$`)

// value reports a matcher that names a value which its label never has. values is empty where the list is open; a value
// that begins with a $ is a variable of a dashboard.
func (c *checker) value(m *labels.Matcher, values []string, s *parser.VectorSelector) {
	if len(values) == 0 || m.Value == "" || strings.HasPrefix(m.Value, "$") {
		return
	}
	wanted := []string{m.Value}
	if m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp {
		if !alternatives.MatchString(m.Value) {
			return
		}
		wanted = strings.Split(m.Value, "|")
	}
	for _, v := range wanted {
		if !slices.Contains(values, v) {
			c.errorf("label %q is never %q: %s", m.Name, v, s)
		}
	}
}

func (c *checker) aggregate(a *parser.AggregateExpr) []string {
	have := c.labels(a.Expr)
	if a.Param != nil {
		c.labels(a.Param)
	}
	c.requireLabels(have, a.Grouping, a.Expr)
	var out []string
	switch {
	case a.Op == parser.TOPK || a.Op == parser.BOTTOMK: // grouping chooses, it does not merge
		out = have
	case a.Without:
		out = minus(have, a.Grouping)
	default:
		out = slices.Clone(a.Grouping)
	}
	if a.Op == parser.COUNT_VALUES {
		if s, ok := a.Param.(*parser.StringLiteral); ok {
			out = union(out, []string{s.Val})
		}
	}
	return out
}

func (c *checker) binary(b *parser.BinaryExpr) []string {
	left, right := c.labels(b.LHS), c.labels(b.RHS)
	if b.VectorMatching == nil {
		return union(left, right) // at most one of them is a vector
	}
	m := b.VectorMatching
	if m.On {
		c.requireLabels(left, m.MatchingLabels, b.LHS)
		c.requireLabels(right, m.MatchingLabels, b.RHS)
	} else {
		c.requireLabels(union(left, right), m.MatchingLabels, b)
	}
	if b.Op == parser.LOR {
		return union(left, right)
	}
	if !m.On {
		c.match(minus(left, m.MatchingLabels), minus(right, m.MatchingLabels), b)
	}
	switch {
	case b.Op.IsSetOperator():
		return left
	case m.Card == parser.CardManyToOne:
		c.requireLabels(right, m.Include, b.RHS)
		return union(left, m.Include)
	case m.Card == parser.CardOneToMany:
		c.requireLabels(left, m.Include, b.LHS)
		return union(right, m.Include)
	case m.On:
		return slices.Clone(m.MatchingLabels)
	}
	return minus(left, m.MatchingLabels)
}

// match reports labels that only one side of a join has, and that the join does not leave out: it would never yield
// anything. (A label that a side merely may have counts as there: the rules and dashboards are for series that have
// it.)
func (c *checker) match(left, right []string, b *parser.BinaryExpr) {
	if only := minus(left, right); len(only) > 0 {
		c.errorf("only the left side has %q: %s", only, b)
	}
	if only := minus(right, left); len(only) > 0 {
		c.errorf("only the right side has %q: %s", only, b)
	}
}

func (c *checker) call(f *parser.Call) []string {
	var have []string
	for i, arg := range f.Args {
		found := c.labels(arg)
		if i < len(f.Func.ArgTypes) || f.Func.Variadic != 0 {
			have = union(have, found) // at most one argument is a vector
		}
	}
	switch f.Func.Name {
	case "scalar":
		return nil
	case "label_replace", "label_join":
		// Arguments: the vector, the label to set, then replacement, source, pattern or separator, sources...
		sources := f.Args[3:]
		if f.Func.Name == "label_replace" {
			sources = f.Args[3:4]
		}
		for _, arg := range sources {
			if s, ok := arg.(*parser.StringLiteral); ok && s.Val != "" { // "" sets a constant
				c.requireLabels(have, []string{s.Val}, f.Args[0])
			}
		}
		if s, ok := f.Args[1].(*parser.StringLiteral); ok {
			have = union(have, []string{s.Val})
		}
	case "histogram_quantile", "histogram_fraction":
		return minus(have, []string{"le"})
	}
	return have
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}
