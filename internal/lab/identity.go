package lab

import (
	"crypto/tls"
	"sync"
	"time"
)

// identity holds a host's certificates: the true one and those of the faults. Each is issued once, when its fault is
// set, so that no handshake waits for an RSA key.
type identity struct {
	mint      *Mint
	authority *Authority // that signs the true certificate
	host      string

	mu     sync.Mutex
	issued map[string]tls.Certificate
}

// certificate is the one that the host sends under a fault: the true one unless the fault is about the certificate.
func (i *identity) certificate(fault string) (tls.Certificate, error) {
	switch fault {
	case Intercept, InterceptNoCCM, InterceptNegativeSerial, SelfSigned, ForgedIssuer, Replay, Expired, NotYetValid, OversizedChain, RSALeaf, ClientOnlyLeaf:
	default:
		fault = None
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.issued[fault]; ok {
		return known, nil
	}
	certificate, err := i.issue(fault)
	if err != nil {
		return tls.Certificate{}, err
	}
	if i.issued == nil {
		i.issued = make(map[string]tls.Certificate)
	}
	i.issued[fault] = certificate
	return certificate, nil
}

func (i *identity) issue(fault string) (tls.Certificate, error) {
	leaf := Leaf{CommonName: i.host, DNSNames: []string{i.host}}
	by := i.authority
	switch fault {
	case Intercept, InterceptNoCCM:
		by = i.mint.Inspector
	case InterceptNegativeSerial:
		by, leaf.NegativeSerial = i.mint.Inspector, true
	case ForgedIssuer:
		forged, err := i.authority.Forge()
		if err != nil {
			return tls.Certificate{}, err
		}
		by = forged
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
	}
	if fault == SelfSigned {
		return i.mint.SelfSigned("appliance")
	}
	certificate, err := by.Issue(leaf)
	if err == nil && fault == Replay {
		return WithoutKey(certificate)
	}
	return certificate, err
}
