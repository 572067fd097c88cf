package autoscale

import "fmt"

// Format writes the name, for every verb. The parts of the Config may hold secrets.
func (a *Autoscaler) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "autoscale.Autoscaler(%s)", a.cfg.Name)
}

// Format writes the names of the members, for every verb.
func (g *Group) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "autoscale.Group%v", g.Members())
}
