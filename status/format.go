package status

import (
	"encoding/json"
	"fmt"
)

// Format writes the title, and none of the secrets.
func (o Options) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "status.Options(%q)", o.Title) }

// MarshalJSON writes what Format does.
func (o Options) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(o)) }

// Format writes the title, and none of the secrets.
func (p *Page) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "status.Page(%q)", p.opts.Title) }

// MarshalJSON writes what Format does.
func (p *Page) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(p)) }
