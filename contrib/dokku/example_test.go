package dokku_test

import (
	"fmt"

	"github.com/autoscalebot/autoscale/contrib/dokku"
)

// The keys come from the environment or from files.
func ExampleNewClient() {
	client := dokku.NewClient("dokku.example.com", []byte("no key"), "", nil)
	fmt.Println(client.Scaler("shop", "web").Validate())
	// Output:
	// the private key is not an SSH key in PEM without a passphrase: make one with `ssh-keygen -t ed25519 -N ''`
	// the host key is not a public key such as ssh-ed25519 AAAA…: `ssh-keyscan -t ed25519 HOST` prints it after the host
}
