package lab

import (
	"crypto/tls"
	"sync"
	"time"
)

// identity is a host's certificates: the true one and those that faults show in its place. Each is made once, when its fault is
// set: no handshake is to wait for an RSA key, which takes seconds on a busy machine.
type identity struct {
	mint      *Mint
	authority *Authority // who signs the true one
	host      string

	mu   sync.Mutex
	made map[string]tls.Certificate
}

// certificate is what the host shows under a fault; one that does not touch the certificate shows the true one.
func (i *identity) certificate(fault string) (tls.Certificate, error) {
	switch fault {
	case Intercept, InterceptNoCCM, ForgedIssuer, Replay, Expired, NotYetValid, OversizedChain, RSALeaf, ClientOnlyLeaf:
	default:
		fault = None
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if have, ok := i.made[fault]; ok {
		return have, nil
	}
	certificate, err := i.issue(fault)
	if err != nil {
		return tls.Certificate{}, err
	}
	if i.made == nil {
		i.made = make(map[string]tls.Certificate)
	}
	i.made[fault] = certificate
	return certificate, nil
}

func (i *identity) issue(fault string) (tls.Certificate, error) {
	leaf := Leaf{CommonName: i.host, DNSNames: []string{i.host}}
	by := i.authority
	switch fault {
	case Intercept, InterceptNoCCM:
		by = i.mint.Inspector
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
	certificate, err := by.Issue(leaf)
	if err == nil && fault == Replay {
		return WithoutKey(certificate)
	}
	return certificate, err
}
