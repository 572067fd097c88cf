package herokutest

import "strings"

// A dynoSize is a size of dyno, as the API lists it.
type dynoSize struct {
	Compute          int       `json:"compute"`
	Cost             *wireCost `json:"cost"`
	Dedicated        bool      `json:"dedicated"`
	DynoUnits        int       `json:"dyno_units"`
	ID               string    `json:"id"`
	Memory           float64   `json:"memory"`
	Name             string    `json:"name"`
	PrivateSpaceOnly bool      `json:"private_space_only"`

	perType int // how many a process type may have; 0: there is no special limit
}

type wireCost struct {
	Cents int    `json:"cents"`
	Unit  string `json:"unit"`
}

// dynoSizes returns the sizes that exist. Their ids are our own. Sizes of private spaces
// have no list price.
func dynoSizes() []dynoSize {
	month := func(dollars int) *wireCost { return &wireCost{Cents: 100 * dollars, Unit: "month"} }
	id := func(n string) string { return "d0000000-0000-4000-8000-0000000000" + n }
	return []dynoSize{
		{Compute: 1, Cost: month(5), ID: id("01"), Memory: 0.5, Name: "Eco", perType: 1},
		{Compute: 1, Cost: month(7), ID: id("02"), Memory: 0.5, Name: "Basic", perType: 1},
		{Compute: 1, Cost: month(25), DynoUnits: 1, ID: id("03"), Memory: 0.5, Name: "Standard-1X"},
		{Compute: 2, Cost: month(50), DynoUnits: 2, ID: id("04"), Memory: 1, Name: "Standard-2X"},
		{Compute: 12, Cost: month(250), Dedicated: true, DynoUnits: 8, ID: id("05"), Memory: 2.5, Name: "Performance-M", perType: 10},
		{Compute: 50, Cost: month(500), Dedicated: true, DynoUnits: 16, ID: id("06"), Memory: 14, Name: "Performance-L", perType: 10},
		{Compute: 12, Dedicated: true, DynoUnits: 8, ID: id("07"), Memory: 1, Name: "Private-S", PrivateSpaceOnly: true, perType: 10},
		{Compute: 12, Dedicated: true, DynoUnits: 16, ID: id("08"), Memory: 2.5, Name: "Private-M", PrivateSpaceOnly: true, perType: 10},
		{Compute: 50, Dedicated: true, DynoUnits: 32, ID: id("09"), Memory: 14, Name: "Private-L", PrivateSpaceOnly: true, perType: 10},
		{Compute: 12, Dedicated: true, DynoUnits: 8, ID: id("10"), Memory: 1, Name: "Shield-S", PrivateSpaceOnly: true, perType: 10},
		{Compute: 12, Dedicated: true, DynoUnits: 16, ID: id("11"), Memory: 2.5, Name: "Shield-M", PrivateSpaceOnly: true, perType: 10},
		{Compute: 50, Dedicated: true, DynoUnits: 32, ID: id("12"), Memory: 14, Name: "Shield-L", PrivateSpaceOnly: true, perType: 10},
	}
}

// findSize returns the size with a name, in upper or lower case.
func findSize(name string) (dynoSize, bool) {
	for _, s := range dynoSizes() {
		if strings.EqualFold(s.Name, name) {
			return s, true
		}
	}
	return dynoSize{}, false
}

func sizeNames() []string {
	var names []string
	for _, s := range dynoSizes() {
		names = append(names, s.Name)
	}
	return names
}
