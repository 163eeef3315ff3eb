//go:build realpeers

package main

import "testing"

// TestTerminalScripts runs the scripts of testdata/terminal, which need the program script of util-linux.
func TestTerminalScripts(t *testing.T) { runScripts(t, "testdata/terminal") }
