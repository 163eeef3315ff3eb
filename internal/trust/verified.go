package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// maxVerified bounds the leaves that an anchor remembers; a cloud shows a handful.
const maxVerified = 1024

// verified remembers which leaves a key was seen to have signed. The answer never changes, and checking it anew in each
// round is a quarter of what a whole walk costs. Whether the holder has the leaf's key is another question, asked each
// time. The zero value remembers none.
type verified struct {
	mu     sync.Mutex
	leaves map[[sha256.Size]byte]struct{}
}

// signed is [signs] with a memory of what was good.
func (v *verified) signed(key, leaf *x509.Certificate) error {
	sum := sha256.Sum256(leaf.Raw)
	v.mu.Lock()
	_, known := v.leaves[sum]
	v.mu.Unlock()
	if known {
		return nil
	}
	if err := signs(key, leaf); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.leaves == nil || len(v.leaves) >= maxVerified {
		v.leaves = make(map[[sha256.Size]byte]struct{})
	}
	v.leaves[sum] = struct{}{}
	return nil
}
