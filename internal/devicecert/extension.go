package devicecert

import (
	"math"
	"slices"
)

// The extensions that a device knows (RFC 5280 §4.2.1, and Netscape's certificate type).
const (
	idBasicConstraints = "\x55\x1d\x13"
	idKeyUsage         = "\x55\x1d\x0f"
	idExtendedKeyUsage = "\x55\x1d\x25"
	idSubjectAltName   = "\x55\x1d\x11"
	idPolicies         = "\x55\x1d\x20"
	idNetscapeType     = "\x60\x86\x48\x01\x86\xf8\x42\x01\x01"

	idServerAuth     = "\x2b\x06\x01\x05\x05\x07\x03\x01"
	idAnyUsage       = "\x55\x1d\x25\x00"
	idAnyPolicy      = "\x55\x1d\x20\x00"
	idHardwareModule = "\x2b\x06\x01\x05\x05\x07\x08\x04" // id-on-hardwareModuleName (RFC 4108 §5)
)

// Bits of keyUsage (RFC 5280 §4.2.1.3), the first octet in the lowest eight bits.
const (
	usageDigitalSignature = 0x80
	usageCertSign         = 0x04
	usageEncipherOnly     = 0x01
	usageDecipherOnly     = 0x8000
)

// readExtensions reads the content of Extensions. It returns false if the structure is broken, so that the rest cannot
// be read.
func (c *Certificate) readExtensions(in reader) bool {
	var seen []string // of those that a device knows
	for len(in) > 0 {
		var extension, content, value reader
		critical := false
		if !in.take(tagSequence, &extension) || !extension.take(tagObjectIdentifier, &content) ||
			extension.at(tagBoolean) && !extension.takeBool(&critical) || !extension.only(tagOctetString, &value) {
			return false
		}
		id := string(content)
		repeated := slices.Contains(seen, id)
		known, ok := c.readExtension(id, value, critical)
		switch {
		case !known && critical:
			c.reject(CriticalExtension, IdentifierText(content, maxOctets))
		case !known:
		case repeated:
			c.reject(RepeatedExtension, IdentifierText(content, maxOctets))
		case !ok:
			c.reject(MalformedExtension, IdentifierText(content, maxOctets))
		default:
			seen = append(seen, id)
		}
	}
	return true
}

// readExtension reads the value of an extension. ok is meaningful if a device knows the extension.
func (c *Certificate) readExtension(id string, value reader, critical bool) (known, ok bool) {
	switch id {
	case idBasicConstraints:
		return true, c.readBasicConstraints(value)
	case idKeyUsage:
		return true, c.readKeyUsage(value)
	case idExtendedKeyUsage:
		return true, c.readExtendedKeyUsage(value)
	case idSubjectAltName:
		return true, c.readSubjectAltName(value)
	case idPolicies:
		return true, c.readPolicies(value, critical)
	case idNetscapeType:
		return true, readNetscapeType(value)
	}
	return false, false
}

// readBasicConstraints also accepts cA as an INTEGER, and ignores the length of the SEQUENCE, as a device does.
func (c *Certificate) readBasicConstraints(in reader) bool {
	if tag, _, ok := in.header(); !ok || tag != tagSequence {
		return false
	}
	if len(in) == 0 {
		return true
	}
	var ok bool
	if in.at(tagBoolean) {
		ok = in.takeBool(&c.CA)
	} else {
		var n int
		n, ok = in.takeInt()
		c.CA = n != 0
	}
	if !ok || len(in) == 0 {
		return ok
	}
	n, ok := in.takeInt()
	if !ok || len(in) > 0 || n == math.MaxInt32 {
		return false
	}
	c.maxIntermediates = n + 1
	return true
}

// readKeyUsage reads a keyUsage extension (RFC 5280 §4.2.1.3). It returns false if a device cannot read it.
func (c *Certificate) readKeyUsage(in reader) bool {
	var bits []byte
	if !in.onlyBits(7, &bits) || len(bits) == 0 {
		return false
	}
	c.hasKeyUsage = true
	for i, b := range bits[:min(len(bits), 4)] {
		c.keyUsage |= uint32(b) << (8 * i)
	}
	return true
}

// allows reports whether keyUsage allows a use. A certificate without keyUsage allows every use; one that limits the
// key to one direction of key agreement allows none.
func (c *Certificate) allows(usage uint32) bool {
	const oneWay = usageEncipherOnly | usageDecipherOnly
	return !c.hasKeyUsage || c.keyUsage&usage == usage && c.keyUsage&oneWay == 0
}

func (c *Certificate) readExtendedKeyUsage(in reader) bool {
	var purposes, id reader
	if !in.only(tagSequence, &purposes) || len(purposes) == 0 {
		return false
	}
	c.hasExtendedKeyUsage = true
	for len(purposes) > 0 {
		if !purposes.take(tagObjectIdentifier, &id) {
			return false
		}
		c.serverAuth = c.serverAuth || string(id) == idServerAuth || string(id) == idAnyUsage
	}
	return true
}

// readSubjectAltName reads the names of type dNSName and hardwareModuleName, and accepts every other name unread.
func (c *Certificate) readSubjectAltName(in reader) bool {
	const otherName, dNSName = 0, 2
	var names, content reader
	if !in.only(tagSequence, &names) {
		return false
	}
	for len(names) > 0 {
		var tag byte
		if !names.any(&tag, &content) || tag&classMask != contextual {
			return false
		}
		switch tag & numberMask {
		case otherName:
			if !readOtherName(content) {
				return false
			}
		case dNSName:
			c.DNSNames = append(c.DNSNames, string(content))
		}
	}
	return true
}

// readOtherName checks a hardwareModuleName. It accepts otherNames of other types unread.
func readOtherName(in reader) bool {
	var id, explicit, module, hardwareType, serial reader
	if !in.take(tagObjectIdentifier, &id) {
		return false
	}
	return string(id) != idHardwareModule ||
		in.only(contextual|constructed, &explicit) && explicit.only(tagSequence, &module) &&
			module.take(tagObjectIdentifier, &hardwareType) && module.only(tagOctetString, &serial)
}

// readPolicies requires every policy to be anyPolicy if the extension is critical.
func (c *Certificate) readPolicies(in reader, critical bool) bool {
	var policies, policy, id, qualifiers reader
	if !in.only(tagSequence, &policies) || len(policies) == 0 {
		return false
	}
	other := ""
	for len(policies) > 0 {
		if !policies.take(tagSequence, &policy) || !policy.take(tagObjectIdentifier, &id) ||
			len(policy) > 0 && !policy.only(tagSequence, &qualifiers) {
			return false
		}
		if string(id) != idAnyPolicy {
			other = IdentifierText(id, maxOctets)
		}
	}
	if other != "" && critical {
		c.reject(CriticalPolicy, other)
	}
	return true
}

func readNetscapeType(in reader) bool {
	var bits []byte
	return in.onlyBits(7, &bits) && len(bits) == 1
}
