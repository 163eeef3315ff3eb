package memory

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseConstants unmaps what holds constants alone. Nothing is lost by it: the file still has them, and the next access
// maps them again (madvise(2), MADV_DONTNEED on a private mapping of a file).
func releaseConstants() error {
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer file.Close()
	spans, err := constants(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file.Name(), err)
	}
	for _, s := range spans {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, s.start, s.end-s.start, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("madvise %x-%x: %w", s.start, s.end, errno)
		}
	}
	return nil
}

// span is a mapping, from its first byte to the one behind its last.
type span struct{ start, end uintptr }

// constants finds the mappings of files that nobody can write to and nobody has written to (proc_pid_smaps(5)). Both
// matter: a linker's relocations are read-only once they are made, and in no file. Code is never among them: a tracer may
// put its breakpoints there at any time.
func constants(smaps io.Reader) ([]span, error) {
	var found []span
	var at span
	candidate, written := false, -1 // of the mapping read last; -1: not said yet
	settle := func() {
		if candidate && written == 0 {
			found = append(found, at)
		}
	}
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		key, value, isField := strings.Cut(lines.Text(), ":")
		switch {
		case isField && (key == "Anonymous" || key == "Swap"):
			var kB int
			if _, err := fmt.Sscanf(value, "%d kB", &kB); err != nil {
				return nil, fmt.Errorf("%s of %x-%x: %w", key, at.start, at.end, err)
			}
			written = max(written, 0) + kB
		case isField && !strings.Contains(key, " "):
			continue
		default:
			settle()
			var permissions, offset, device string
			var inode uint64
			if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s %s %s %d", &at.start, &at.end, &permissions, &offset, &device, &inode); err != nil {
				return nil, fmt.Errorf("mapping %q: %w", lines.Text(), err)
			}
			candidate, written = permissions == "r--p" && inode != 0, -1
		}
	}
	settle()
	return found, lines.Err()
}
