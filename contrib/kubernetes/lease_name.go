package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// objectPrefix begins the names of all objects that an Elector makes.
	objectPrefix = "autoscale-"

	// maxObjectName is the longest name that Kubernetes allows: that of a DNS subdomain.
	maxObjectName = 253
)

// objectName returns the name of the Kubernetes objects for a lease. Two leases never have
// the same one, but for a collision of SHA-256.
//
// A letter of a to z and a digit stand for themselves. Between two of them, so does "-", and
// "/" becomes ".". Every other byte becomes "--" and two hexadecimal digits. A hyphen that
// stands for itself has no other beside it, so that "--" always begins a byte. A name that
// would be too long becomes "--h" and its hash.
func objectName(lease string) string {
	var b strings.Builder
	b.WriteString(objectPrefix)
	plain := func(i int) bool {
		return i >= 0 && i < len(lease) && (lease[i] >= 'a' && lease[i] <= 'z' || lease[i] >= '0' && lease[i] <= '9')
	}
	for i := range len(lease) {
		c := lease[i]
		inside := plain(i-1) && plain(i+1)
		switch {
		case plain(i), c == '-' && inside:
			b.WriteByte(c)
		case c == '/' && inside:
			b.WriteByte('.')
		default:
			fmt.Fprintf(&b, "--%02x", c)
		}
	}
	if b.Len() <= maxObjectName {
		return b.String()
	}
	sum := sha256.Sum256([]byte(lease))
	return objectPrefix + "--h" + hex.EncodeToString(sum[:])
}
