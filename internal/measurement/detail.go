package measurement

import "time"

// DetailKind says what a [Detail] is about: a closed list. Package present has the words for each kind.
type DetailKind string

// Detail is what is known about a failure besides its kind, as data. The zero value means that nothing more is known.
type Detail struct {
	Kind  DetailKind
	N     int           // a count or a number of bytes, as Kind says
	After time.Duration // how long it took or lasted, as Kind says
	Text  string        // from the peer or the operating system; safe to show, see [Text]
	EDE   EDE           // the server's explanation of a DNS error; zero: none
}
