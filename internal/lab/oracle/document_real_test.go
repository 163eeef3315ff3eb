//go:build realpeers

package oracle

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// document has the table of agreement and the list of differences, between these marks.
const (
	document = "../../../docs/design/006-device-oracle.md"
	beginOf  = "<!-- begin %s -->\n"
	endOf    = "<!-- end %s -->\n"
)

// setCount counts the rows of one set over one transport.
type setCount struct{ rows, works, differs int }

// compareDocument holds the document's table and list to be those of the rows, or writes them.
func compareDocument(t *testing.T, rows []*peer, verdicts map[string]string, differences map[string]difference) {
	t.Helper()
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, want := range map[string]string{"agreement": agreement(rows, verdicts, differences), "differences": differenceList(t)} {
		before, rest, ok := strings.Cut(text, fmt.Sprintf(beginOf, name))
		have, after, ok2 := strings.Cut(rest, fmt.Sprintf(endOf, name))
		if !ok || !ok2 {
			t.Fatalf("%s has no place for %s", document, name)
		}
		if have != want && !*update {
			t.Errorf("%s: the part %s is not up to date (go test -update writes it); it should be\n%s", document, name, want)
		}
		text = before + fmt.Sprintf(beginOf, name) + want + fmt.Sprintf(endOf, name) + after
	}
	if *update {
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil { //nolint:gosec // for everyone
			t.Fatal(err)
		}
	}
}

// agreement is the table of agreement.
func agreement(rows []*peer, verdicts map[string]string, differences map[string]difference) string {
	counts := map[string]map[bool]*setCount{}
	sum := map[bool]*setCount{false: {}, true: {}}
	for _, p := range rows {
		if counts[p.set] == nil {
			counts[p.set] = map[bool]*setCount{false: {}, true: {}}
		}
		_, differs := differences[p.row()]
		for _, c := range []*setCount{counts[p.set][p.udp], sum[p.udp]} {
			c.rows++
			if works(verdicts[p.row()]) {
				c.works++
			}
			if differs {
				c.differs++
			}
		}
	}
	var out strings.Builder
	out.WriteString("| set | TCP: rows | a device works | differ by design | UDP: rows | a device works | differ by design |\n|---|---|---|---|---|---|---|\n")
	line := func(name string, c map[bool]*setCount) {
		fmt.Fprintf(&out, "| %s | %d | %d | %d | %d | %d | %d |\n", name, c[false].rows, c[false].works, c[false].differs, c[true].rows, c[true].works, c[true].differs)
	}
	for _, set := range slices.Sorted(maps.Keys(counts)) {
		line(set, counts[set])
	}
	line("all", sum)
	return out.String()
}

// differenceList lists the rows that differ by design, by reason.
func differenceList(t *testing.T) string {
	t.Helper()
	rows := make(map[string][]string)
	for row, text := range readTable(t, "testdata/differences") {
		expected, reason, _ := strings.Cut(text, "\t")
		key := "Exporter: " + expected + ". Reason: " + reason + "."
		rows[key] = append(rows[key], row)
	}
	var out strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&out, "\n%s\n\n", reason)
		for _, row := range slices.Sorted(slices.Values(rows[reason])) {
			fmt.Fprintf(&out, "- %s\n", row)
		}
	}
	return out.String() + "\n"
}
