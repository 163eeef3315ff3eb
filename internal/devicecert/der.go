package devicecert

import (
	"bytes"
	"math"
)

// Tags of ASN.1 elements (X.690 §8.1.2).
const (
	tagBoolean          = 0x01
	tagInteger          = 0x02
	tagBitString        = 0x03
	tagOctetString      = 0x04
	tagNull             = 0x05
	tagObjectIdentifier = 0x06
	tagUTF8String       = 0x0c
	tagPrintableString  = 0x13
	tagT61String        = 0x14
	tagIA5String        = 0x16
	tagUTCTime          = 0x17
	tagGeneralizedTime  = 0x18
	tagUniversalString  = 0x1c
	tagBMPString        = 0x1e
	tagSequence         = 0x30
	tagSet              = 0x31

	classMask   = 0xc0
	numberMask  = 0x1f
	contextual  = 0x80 // context-specific, primitive
	constructed = 0x20
)

// reader reads ASN.1 elements from the left. It accepts lengths that are longer than necessary, as devices do; package
// cryptobyte accepts DER only.
type reader []byte

// at reports whether the next element has that tag.
func (r reader) at(tag byte) bool { return len(r) > 0 && r[0] == tag }

// header reads the tag and the length of the next element. The length is one that the rest of the input has.
func (r *reader) header() (tag byte, length int, ok bool) {
	in := *r
	if len(in) < 2 {
		return 0, 0, false
	}
	tag, length = in[0], int(in[1])
	in = in[2:]
	if length >= 0x80 {
		octets := length - 0x80
		if octets < 1 || octets > 4 || len(in) < octets {
			return 0, 0, false
		}
		var long uint64
		for _, b := range in[:octets] {
			long = long<<8 | uint64(b)
		}
		if long > math.MaxInt32 {
			return 0, 0, false
		}
		length, in = int(long), in[octets:]
	}
	if length > len(in) {
		return 0, 0, false
	}
	*r = in
	return tag, length, true
}

// any reads the next element, whatever its tag.
func (r *reader) any(tag *byte, content *reader) bool {
	next, length, ok := r.header()
	if ok {
		*tag, *content, *r = next, (*r)[:length:length], (*r)[length:]
	}
	return ok
}

// take reads the next element if it has that tag.
func (r *reader) take(tag byte, content *reader) bool { return r.at(tag) && r.any(&tag, content) }

// only reads an element of that tag that is all of the input. It sets content also if more input follows.
func (r reader) only(tag byte, content *reader) bool { return r.take(tag, content) && len(r) == 0 }

// takeSequence reads a SEQUENCE. raw is the element with its header.
func (r *reader) takeSequence(raw *[]byte, content *reader) bool {
	before := *r
	ok := r.take(tagSequence, content)
	if ok {
		*raw = before[:len(before)-len(*r)]
	}
	return ok
}

// takeInt reads a small INTEGER that is not negative.
func (r *reader) takeInt() (n int, ok bool) {
	var content reader
	if !r.take(tagInteger, &content) || len(content) == 0 || content[0]&0x80 != 0 {
		return 0, false
	}
	content = bytes.TrimLeft(content, "\x00")
	if len(content) > 4 {
		return 0, false
	}
	var v uint32
	for _, b := range content {
		v = v<<8 | uint32(b)
	}
	return int(v), v <= math.MaxInt32
}

// takeBool reads a BOOLEAN; every octet but zero is true.
func (r *reader) takeBool(v *bool) bool {
	var content reader
	ok := r.take(tagBoolean, &content) && len(content) == 1
	*v = ok && content[0] != 0
	return ok
}

// algorithm is an AlgorithmIdentifier (RFC 5280 §4.1.1.2). Without parameters, parameterTag is 0.
type algorithm struct {
	id           reader // the content of the object identifier
	parameterTag byte
	parameters   reader
}

func (a algorithm) equal(b algorithm) bool {
	return bytes.Equal(a.id, b.id) && a.parameterTag == b.parameterTag && bytes.Equal(a.parameters, b.parameters)
}

// plain reports whether there are no parameters, or NULL.
func (a algorithm) plain() bool {
	return (a.parameterTag == tagNull || a.parameterTag == 0) && len(a.parameters) == 0
}

func (r *reader) takeAlgorithm(a *algorithm) bool {
	var content reader
	if !r.take(tagSequence, &content) || !content.take(tagObjectIdentifier, &a.id) {
		return false
	}
	return len(content) == 0 || content.any(&a.parameterTag, &a.parameters) && len(content) == 0
}

// onlyBits reads a BIT STRING that is all of the input, and refuses one with more than maxUnused unused bits. It sets
// bits also if more input follows.
func (r reader) onlyBits(maxUnused byte, bits *[]byte) bool {
	var content reader
	ok := r.only(tagBitString, &content)
	if len(content) == 0 || content[0] > maxUnused {
		return false
	}
	*bits = content[1:]
	return ok
}
