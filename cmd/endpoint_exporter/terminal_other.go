//go:build !windows

package main

import "os"

// enableEscapes reports whether the terminal that f is interprets escape codes.
func enableEscapes(*os.File) bool { return true }
