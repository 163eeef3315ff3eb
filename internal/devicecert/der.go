package devicecert

import "math"

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
func (r *reader) any() (tag byte, content reader, ok bool) {
	tag, length, ok := r.header()
	if !ok {
		return 0, nil, false
	}
	content = (*r)[:length:length]
	*r = (*r)[length:]
	return tag, content, true
}

// take reads the next element if it has that tag.
func (r *reader) take(tag byte) (content reader, ok bool) {
	if !r.at(tag) {
		return nil, false
	}
	_, content, ok = r.any()
	return content, ok
}

// only reads an element of that tag that is all of the input.
func (r reader) only(tag byte) (content reader, ok bool) {
	content, ok = r.take(tag)
	return content, ok && len(r) == 0
}

// takeSequence reads a SEQUENCE. raw is the element with its header.
func (r *reader) takeSequence() (raw, content reader, ok bool) {
	before := *r
	content, ok = r.take(tagSequence)
	return before[:len(before)-len(*r)], content, ok
}

// takeInt reads a small INTEGER that is not negative.
func (r *reader) takeInt() (n int, ok bool) {
	content, ok := r.take(tagInteger)
	if !ok || len(content) == 0 || content[0]&0x80 != 0 {
		return 0, false
	}
	for len(content) > 0 && content[0] == 0 {
		content = content[1:]
	}
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
func (r *reader) takeBool() (v, ok bool) {
	content, ok := r.take(tagBoolean)
	if !ok || len(content) != 1 {
		return false, false
	}
	return content[0] != 0, true
}

// algorithm is an AlgorithmIdentifier (RFC 5280 §4.1.1.2). Without parameters, parameterTag is 0.
type algorithm struct {
	id           string // the content of the object identifier
	parameterTag byte
	parameters   reader
}

// plain reports whether there are no parameters, or NULL.
func (a algorithm) plain() bool {
	return (a.parameterTag == tagNull || a.parameterTag == 0) && len(a.parameters) == 0
}

func (r *reader) takeAlgorithm() (a algorithm, ok bool) {
	content, ok := r.take(tagSequence)
	if !ok {
		return algorithm{}, false
	}
	id, ok := content.take(tagObjectIdentifier)
	if !ok {
		return algorithm{}, false
	}
	a.id = string(id)
	if len(content) == 0 {
		return a, true
	}
	a.parameterTag, a.parameters, ok = content.any()
	return a, ok && len(content) == 0
}

// wholeBits is the content of a BIT STRING without unused bits.
func wholeBits(content reader) (bits []byte, ok bool) {
	if len(content) == 0 || content[0] != 0 {
		return nil, false
	}
	return content[1:], true
}

// flagBits is the content of a BIT STRING that is a list of flags, of which some of the last octet may be unused.
func flagBits(content reader) (bits []byte, ok bool) {
	if len(content) == 0 || content[0] > 7 {
		return nil, false
	}
	return content[1:], true
}
