package present

import (
	"encoding/json"
	"io"
)

// JSON writes a view for programs. docs/report.md describes the form.
func JSON(w io.Writer, v *View) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
