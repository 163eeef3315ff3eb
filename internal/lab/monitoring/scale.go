package monitoring

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// ScaleRules divides every time in a rules file by divisor: intervals of groups, `for`, `keep_firing_for`, ranges,
// subqueries and offsets, in expressions and in the queries of annotations. Numbers of seconds that expressions compare
// with are kept, except for the recorded thresholds that are named here with a new value each.
func ScaleRules(rules []byte, divisor int, thresholds map[string]float64) ([]byte, error) {
	left := make(map[string]bool)
	for name := range thresholds {
		left[name] = true
	}
	out, err := rewrite(rules, func(mapping map[string]*yaml.Node) error {
		if record := mapping["record"]; record != nil && left[record.Value] {
			mapping["expr"].Value = fmt.Sprintf("vector(%g)", thresholds[record.Value])
			delete(left, record.Value)
		}
		if err := scale(mapping, divided, divisor, "interval", "for", "keep_firing_for"); err != nil {
			return err
		}
		return scale(mapping, scaleExpression, divisor, "expr", "description")
	})
	for name := range left {
		return nil, fmt.Errorf("no rule records %s", name)
	}
	return out, err
}

// ScaleAlertmanager divides the waits of a configuration of Alertmanager by divisor and sends what its receivers get to
// url instead. A receiver that sends nothing stays so.
func ScaleAlertmanager(config []byte, divisor int, url string) ([]byte, error) {
	return rewrite(config, func(mapping map[string]*yaml.Node) error {
		if err := scale(mapping, divided, divisor, "group_wait", "group_interval", "repeat_interval"); err != nil {
			return err
		}
		receivers := mapping["receivers"]
		if receivers == nil {
			return nil
		}
		for _, receiver := range receivers.Content {
			if len(receiver.Content) <= 2 { // only its name
				continue
			}
			var webhook yaml.Node
			if err := webhook.Encode([]map[string]any{{"url": url, "send_resolved": true}}); err != nil {
				return err
			}
			name := slices.IndexFunc(receiver.Content, func(n *yaml.Node) bool { return n.Value == "name" })
			receiver.Content = append(receiver.Content[name:name+2:name+2],
				&yaml.Node{Kind: yaml.ScalarNode, Value: "webhook_configs"}, &webhook)
		}
		return nil
	})
}

// rewrite parses YAML, lets change alter each of its mappings by key, and writes it again.
func rewrite(text []byte, change func(map[string]*yaml.Node) error) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	var walk func(*yaml.Node) error
	walk = func(n *yaml.Node) error {
		if n.Kind == yaml.MappingNode {
			mapping := make(map[string]*yaml.Node)
			for i := 0; i+1 < len(n.Content); i += 2 {
				mapping[n.Content[i].Value] = n.Content[i+1]
			}
			if err := change(mapping); err != nil {
				return fmt.Errorf("line %d: %w", n.Line, err)
			}
		}
		for _, inner := range n.Content {
			if err := walk(inner); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(&root); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	if err := encoder.Encode(&root); err != nil {
		return nil, err
	}
	err := encoder.Close()
	return out.Bytes(), err
}

// scale replaces the values of some keys by what change makes of them; a missing key is ignored.
func scale(mapping map[string]*yaml.Node, change func(string, int) (string, error), divisor int, keys ...string) error {
	for _, key := range keys {
		node := mapping[key]
		if node == nil {
			continue
		}
		var err error
		if node.Value, err = change(node.Value, divisor); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// divided is a duration by divisor, and never nothing.
func divided(duration string, divisor int) (string, error) {
	d, err := model.ParseDuration(duration)
	if err != nil {
		return "", err
	}
	return model.Duration(max(time.Duration(d)/time.Duration(divisor), time.Millisecond)).String(), nil
}

var (
	// A range, a subquery or an offset. In the rules no text of a label looks like one.
	inExpression = regexp.MustCompile(`\[\w+(:\w*)?\]|\boffset\s+\w+`)
	word         = regexp.MustCompile(`\w+`)
)

// scaleExpression divides the times of an expression, or of those in the text of a template.
func scaleExpression(text string, divisor int) (string, error) {
	var failed error
	scaled := inExpression.ReplaceAllStringFunc(text, func(times string) string {
		return word.ReplaceAllStringFunc(times, func(duration string) string {
			if duration == "offset" {
				return duration
			}
			scaled, err := divided(duration, divisor)
			failed = cmp.Or(failed, err)
			return scaled
		})
	})
	return scaled, failed
}
