package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableEscapes has the console that f is interpret escape codes, and reports whether it does. Consoles before Windows
// 10 cannot.
func enableEscapes(f *os.File) bool {
	console := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(console, &mode) != nil {
		return false
	}
	return mode&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING != 0 ||
		windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
