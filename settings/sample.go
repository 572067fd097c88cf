package settings

import (
	"fmt"
	"strings"
)

// sampleWidth is how long the lines of the sample's comments may be.
const sampleWidth = 88

// Sample returns a settings file that has every setting with its default and its
// meaning. All are commented out but those that choose the best rule for a heartbeat. It
// is the file autoscale.env.sample of this package.
func Sample() string {
	var b strings.Builder
	b.WriteString("# Settings of autoscalebot: copy this file to autoscale.env. A line without # is set. Take\n" +
		"# the # off another line to change its value; what it says is the default. Lines are\n" +
		"# KEY=VALUE. A variable of the environment counts before this file, and may begin with\n" +
		"# " + prefix + ".\n")
	for _, k := range keys {
		if k.heading != "" {
			fmt.Fprintf(&b, "\n\n## %s\n", k.heading)
		}
		b.WriteByte('\n')
		wrap(&b, k.doc)
		if k.sample == "" {
			fmt.Fprintf(&b, "#%s=%s\n", k.name, k.initial)
			continue
		}
		wrap(&b, "Without this line: "+k.initial+".")
		fmt.Fprintf(&b, "%s=%s\n", k.name, k.sample)
	}
	return b.String()
}

// wrap writes text as comment lines.
func wrap(b *strings.Builder, text string) {
	length := 0
	for word := range strings.FieldsSeq(text) {
		if length > 0 && length+1+len(word) > sampleWidth {
			b.WriteByte('\n')
			length = 0
		}
		if length == 0 {
			b.WriteByte('#')
			length = 1
		}
		b.WriteString(" " + word)
		length += 1 + len(word)
	}
	b.WriteByte('\n')
}
