package main

import (
	"strconv"

	"github.com/endpoint-exporter/endpoint_exporter/internal/reason"
)

// Every state has a word in addition to its colour, for readers who do not distinguish red from green, and for print.

const (
	good    = "green"
	bad     = "red"
	worse   = "purple" // something else answers in the cloud's place
	partly  = "orange"
	hint    = "yellow"
	unknown = "#8e8e8e" // grey: nothing is known, which is never good
	neutral = "text"
)

// word is the text and the colour that are shown for a value.
type word struct{ value, text, color string }

// words maps values to their words.
func words(list ...word) []mapping {
	options := map[string]result{}
	for i, w := range list {
		options[w.value] = result{Text: w.text, Color: w.color, Index: i}
	}
	return []mapping{{Type: "value", Options: options}}
}

// none shows a zero as a word, and a higher number as bad.
var none = words(word{"0", "none", good})

var (
	hostState = words(word{"0", "unreachable", bad}, word{"1", "reached", good})
	pathState = words(word{"0", "down", bad}, word{"1", "up", good})
	yesNo     = words(word{"0", "no", neutral}, word{"1", "yes", neutral})

	// The values of pathStates.
	pathHistory = words(
		word{"0", "down", bad}, word{"1", "up", good}, word{"2", "partly up", partly}, word{"3", "intercepted", worse},
		word{"4", "not known", unknown})

	authenticity = words(word{"0", "not authentic", worse}, word{"1", "authentic", good})

	// The values of verdictRanks, and of the label verdict.
	verdictRank = words(
		word{"0", "ok", good}, word{"1", "unknown", unknown}, word{"2", "suspect", hint}, word{"3", "stale", bad})
	verdictName = words(
		word{"ok", "ok", good}, word{"unknown", "unknown", unknown}, word{"suspect", "suspect", hint}, word{"stale", "stale", bad})

	// An address family for which a resolver gave no answer.
	familyFailure = words(word{"0", "no IPv4 answer", partly}, word{"1", "no IPv6 answer", partly})

	// The values of silenceStates.
	silence = words(word{"0", "keepalive too slow", bad}, word{"1", "not known yet", unknown}, word{"2", "keepalive suffices", good},
		word{"3", "no keepalive", neutral})

	severityRank = words(word{"0", "critical", bad}, word{"1", "warning", partly}, word{"2", "info", "blue"})

	authorityPath = words(
		word{"0", "ok", good}, word{"1", "blocked", bad}, word{"2", "intercepted", worse}, word{"3", "not authoritative", partly})

	// The ranks of faults, and who must act on them.
	faultRank = words(faultWords()...)
	actor     = words(actorWords()...)

	// The values of classRanks, and the reasons: the closed lists of package reason.
	classRank   = words(classWords()...)
	reasonNames = words(reasonWords()...)
)

// classWords has a word for the rank of each class.
func classWords() []word {
	var out []word
	for rank, info := range reason.Classes() {
		out = append(out, word{strconv.Itoa(rank), info.Title, info.Colour})
	}
	return out
}

// reasonWords has a word for each reason.
func reasonWords() []word {
	var out []word
	for _, info := range reason.All() {
		out = append(out, word{string(info.Reason), string(info.Reason) + ": " + info.Word, neutral})
	}
	return out
}
