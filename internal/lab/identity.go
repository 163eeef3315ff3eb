package lab

import (
	"crypto/tls"
	"net/netip"
	"sync"
	"time"
)

// identity holds a host's certificates: the true one and those of the faults. Each is issued once, when its fault is
// set, so that no handshake waits for an RSA key.
type identity struct {
	mint      *Mint
	authority *Authority // that signs the true certificate
	host      string
	addresses []netip.Addr // in subjectAltName, besides the host

	mu     sync.Mutex
	issued map[string]tls.Certificate
}

// certificate is the one that the host sends under a fault: the true one unless the fault is about the certificate.
func (i *identity) certificate(fault string) (tls.Certificate, error) {
	leaf, by := Leaf{CommonName: i.host, DNSNames: []string{i.host}, Addresses: i.addresses}, i.authority
	switch fault {
	case SelfSigned, ForgedIssuer, Replay: // see issue
	case Intercept, InterceptNoCCM:
		by = i.mint.Inspector
	case InterceptNegativeSerial:
		by, leaf.NegativeSerial = i.mint.Inspector, true
	case Expired:
		leaf.NotBefore, leaf.NotAfter = i.mint.Now.Add(-48*time.Hour), i.mint.Now.Add(-time.Hour)
	case NotYetValid:
		leaf.NotBefore = i.mint.Now.Add(time.Hour)
	case OversizedChain:
		leaf.Chain = 4
	case RSALeaf:
		leaf.RSA = true
	case ClientOnlyLeaf:
		leaf.ClientOnly = true
	default:
		fault = None
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.issued[fault]; ok {
		return known, nil
	}
	certificate, err := i.issue(fault, leaf, by)
	if err == nil {
		i.issued[fault] = certificate
	}
	return certificate, err
}

func (i *identity) issue(fault string, leaf Leaf, by *Authority) (tls.Certificate, error) {
	switch fault {
	case SelfSigned:
		return i.mint.SelfSigned("appliance")
	case ForgedIssuer:
		forged, err := by.Forge()
		if err != nil {
			return tls.Certificate{}, err
		}
		by = forged
	}
	certificate, err := by.Issue(leaf)
	if err == nil && fault == Replay {
		return WithoutKey(certificate)
	}
	return certificate, err
}
