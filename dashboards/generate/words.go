package main

// Every state has a word beside its colour: who cannot tell red from green, or reads a print, must not have to.

const (
	good    = "green"
	bad     = "red"
	worse   = "purple" // somebody answers in the cloud's place
	partly  = "orange"
	hint    = "yellow"
	unknown = "#8e8e8e" // grey: nothing is known, which is never good
	neutral = "text"
)

// word is what stands for a value.
type word struct{ value, text, color string }

// words maps values to words.
func words(list ...word) []mapping {
	options := map[string]result{}
	for i, w := range list {
		options[w.value] = result{Text: w.text, Color: w.color, Index: i}
	}
	return []mapping{{Type: "value", Options: options}}
}

// none shows a zero as a word, and what is above it as a bad number.
func none(text string) []mapping { return words(word{"0", text, good}) }

var (
	hostState = words(word{"0", "unreachable", bad}, word{"1", "reached", good})
	pathState = words(word{"0", "down", bad}, word{"1", "up", good})
	yesNo     = words(word{"0", "no", neutral}, word{"1", "yes", neutral})
	succeeded = words(word{"0", "failed", bad}, word{"1", "ok", good})

	// What pathStates yields.
	pathHistory = words(
		word{"0", "down", bad}, word{"1", "up", good}, word{"2", "partly up", partly}, word{"3", "intercepted", worse})

	authenticity = words(word{"0", "not authentic", worse}, word{"1", "authentic", good})

	// What worstVerdict and the timeline of verdicts yield.
	verdictRank = words(
		word{"0", "ok", good}, word{"1", "unknown", unknown}, word{"2", "suspect", hint}, word{"3", "stale", bad})
	verdictName = words(
		word{"ok", "ok", good}, word{"unknown", "unknown", unknown}, word{"suspect", "suspect", hint}, word{"stale", "stale", bad})

	// What silenceStates yields.
	silence = words(word{"0", "keepalive too slow", bad}, word{"1", "not known yet", unknown}, word{"2", "keepalive suffices", good},
		word{"3", "no keepalive", neutral})

	severityRank = words(word{"0", "critical", bad}, word{"1", "warning", partly}, word{"2", "info", "blue"})

	authorityPath = words(
		word{"0", "ok", good}, word{"1", "blocked", bad}, word{"2", "intercepted", worse}, word{"3", "not authoritative", partly})

	// What classRanks yields.
	classRank = words(
		word{"0", "intercepted", worse}, word{"1", "blocked", bad}, word{"2", "name service", partly},
		word{"3", "certificate", partly}, word{"4", "server", partly}, word{"5", "out of time", unknown})

	// reasonNames has all of the closed list; a test holds them together.
	reasonNames = words(
		word{"wrong_issuer", "wrong_issuer: another authority signed", neutral},
		word{"forged_issuer", "forged_issuer: right name, wrong key", neutral},
		word{"key_not_proved", "key_not_proved: the holder cannot sign", neutral},
		word{"block_page", "block_page: a web page where TLS was due", neutral},
		word{"sinkhole", "sinkhole: the name leads to no public address", neutral},
		word{"refused", "refused: reset on connect", neutral},
		word{"reset", "reset: cut after the hello", neutral},
		word{"closed", "closed: ended after the hello", neutral},
		word{"silent", "silent: nothing comes back", neutral},
		word{"unreachable", "unreachable: no connection", neutral},
		word{"alert", "alert: TLS refuses the device", neutral},
		word{"not_tls", "not_tls: something else speaks", neutral},
		word{"device_unfit", "device_unfit: a device cannot take it", neutral},
		word{"certificate_refused", "certificate_refused: ours is refused", neutral},
		word{"expired", "expired", neutral},
		word{"not_yet_valid", "not_yet_valid", neutral},
		word{"wrong_name", "wrong_name: made for another host", neutral},
		word{"dns_failed", "dns_failed: the name does not resolve", neutral},
		word{"out_of_time", "out_of_time: the round ended first", neutral},
	)
)
