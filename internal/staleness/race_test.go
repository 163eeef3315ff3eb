//go:build race

package staleness

const raceDetector = true
