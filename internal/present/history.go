package present

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/endpoint-exporter/endpoint_exporter/internal/report"
)

// Sizes of the drawing of a path's history, in the units of its viewBox.
const (
	historyStep   = 2  // the width of a round
	historyHeight = 20 // a round in which the path is down is this high
	historyUpMost = 14 // the height of the slowest round in which it is up, lower than that of a failure
	historyLeast  = 2  // the height of a round whose duration is very short or not known
)

// historyDrawing draws the last rounds of a path, one bar for each and the newest at the right. The bar of a round in
// which the path is up shows how long connect and hello took. Text says the same in words.
type historyDrawing struct {
	Width, Height     int
	Up, Down, Unknown string // the bars, as the attribute d of an SVG path
	Text              string
}

// drawHistory draws the last points of a path; nil without points.
func drawHistory(points []report.Point) *historyDrawing {
	points = points[max(0, len(points)-report.MaxPoints):]
	if len(points) == 0 {
		return nil
	}
	durations := durationsOf(points)
	out := &historyDrawing{Width: historyStep * report.MaxPoints, Height: historyHeight, Text: historyText(points, durations)}
	var full time.Duration // drawn with historyUpMost; durations that differ little have half of it
	if n := len(durations); n > 0 {
		full = max(durations[n-1], 2*durations[(n-1)/2])
	}
	var up, down, unknown strings.Builder
	for i, p := range points {
		bars, height := &unknown, historyLeast
		switch p.State {
		case report.Up:
			bars = &up
			if full > 0 {
				height = max(height, int(int64(historyUpMost)*int64(p.Took)/int64(full)))
			}
		case report.Down:
			bars, height = &down, historyHeight
		case report.Unknown:
		}
		fmt.Fprintf(bars, "M%d %dv-%d", historyStep*(report.MaxPoints-len(points)+i)+historyStep/2, historyHeight, height)
	}
	out.Up, out.Down, out.Unknown = up.String(), down.String(), unknown.String()
	return out
}

// durationsOf lists how long connect and hello took in the rounds in which the path was up, in ascending order.
func durationsOf(points []report.Point) (out []time.Duration) {
	for _, p := range points {
		if p.State == report.Up && p.Took > 0 {
			out = append(out, p.Took)
		}
	}
	slices.Sort(out)
	return out
}

// historyText is "120 rounds since …: 117 up, 3 down, the last at …; connect and hello take …".
func historyText(points []report.Point, durations []time.Duration) string {
	var states []string
	for _, s := range []struct {
		state report.State
		word  string
	}{{report.Up, "up"}, {report.Down, "down"}, {report.Unknown, "not known"}} {
		n, last := 0, time.Time{}
		for _, p := range points {
			if p.State == s.state {
				n, last = n+1, p.At
			}
		}
		switch {
		case n > 0 && s.state == report.Down:
			states = append(states, fmt.Sprintf("%d %s (last at %s)", n, s.word, momentText(last)))
		case n > 0:
			states = append(states, fmt.Sprintf("%d %s", n, s.word))
		}
	}
	out := fmt.Sprintf("%s since %s: %s", count(len(points), "round"), momentText(points[0].At), list(states))
	switch n := len(durations); n {
	case 0:
	case 1:
		out += "; connect and hello took " + seconds(durations[0].Seconds())
	default:
		out += fmt.Sprintf("; connect and hello take %s to %s, median %s",
			seconds(durations[0].Seconds()), seconds(durations[n-1].Seconds()), seconds(durations[(n-1)/2].Seconds()))
	}
	return out
}
