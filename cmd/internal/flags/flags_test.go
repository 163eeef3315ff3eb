package flags

import (
	"io"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

func TestFlagErrors(t *testing.T) {
	for argument, want := range map[string]string{
		"--watch=30m":      "",
		"--watch=soon":     `--watch: "soon" is not a duration such as 90s or 30m`,
		"--watch=0s":       `--watch: "0s" is not a duration such as 90s or 30m`,
		"--watch=-1s":      `--watch: "-1s" is not a duration such as 90s or 30m`,
		"--idle=0s":        "",
		"--idle=-1s":       `--idle: "-1s" is not a duration such as 30s, or 0s for none`,
		"--port=65535":     "",
		"--port=65536":     `--port: "65536" is not a whole number from 1 to 65535`,
		"--port=0":         `--port: "0" is not a whole number from 1 to 65535`,
		"--port=-1":        `--port: "-1" is not a whole number from 1 to 65535`,
		"--port=\x1b[2J":   `--port: "�[2J" is not a whole number from 1 to 65535`,
		"--output=json":    "",
		"--output=yaml":    `--output: "yaml" is not one of text, json`,
		"--output=te":      `--output: "te" is not one of text, json`,
		"--port=5684 --o":  `--port: "5684 --o" is not a whole number from 1 to 65535`,
		"--output=TEXT":    `--output: "TEXT" is not one of text, json`,
		"--watch=1h30m15s": "",
	} {
		app := kingpin.New("program", "").Terminate(func(int) {}).UsageWriter(io.Discard).ErrorWriter(io.Discard)
		var watch, idle time.Duration
		var port uint16
		var output string
		Duration(app.Flag("watch", ""), &watch)
		DurationOrNone(app.Flag("idle", ""), &idle)
		Number(app.Flag("port", ""), &port, 1, 65535)
		Choice(app.Flag("output", ""), &output, "text", "json").Default("text")
		_, err := app.Parse([]string{argument})
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %s", argument, err, want)
		}
		if err == nil && watch == 0 && port == 0 && output == "text" && argument != "--idle=0s" {
			t.Errorf("%s: no value was set", argument)
		}
		if want == "" && argument != "--output=json" && output != "text" {
			t.Errorf("%s: the default of output is %q", argument, output)
		}
	}
}

func TestMissing(t *testing.T) {
	app := kingpin.New("program", "").Terminate(nil).UsageWriter(io.Discard).ErrorWriter(io.Discard)
	app.Flag("file", "").PlaceHolder("FILE").String()
	cmd := app.Command("check", "")
	var watch time.Duration
	Duration(cmd.Flag("watch", ""), &watch)
	cmd.Flag("quiet", "").Bool()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "--watch"}, "--watch needs a value, for example --watch=30m"},
		{[]string{"check", "--file"}, "--file needs a value: --file=FILE"},
		{[]string{"check", "--quiet"}, ""},
		{[]string{"check", "--other"}, ""},
		{[]string{"--watch", "check"}, ""},
		{nil, ""},
	} {
		err := Missing(app, tt.args, map[string]string{"watch": "30m"})
		if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.want)
		}
	}
}
