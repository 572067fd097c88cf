package settings

import (
	"fmt"
	"strings"
)

// sampleWidth is how long the lines of the sample's comments may be.
const sampleWidth = 88

// Sample returns a settings file that has every setting, commented out, with its
// default and its meaning. It is the file autoscale.env.sample of this package.
func Sample() string {
	var b strings.Builder
	b.WriteString("# Settings of autoscalebot: copy this file to autoscale.env, and take the # off what is\n" +
		"# to be other than here. Lines are KEY=VALUE. Each setting can also be a variable of\n" +
		"# the environment, which then counts before this file, and may begin with " + prefix + ".\n")
	for _, k := range keys {
		if k.heading != "" {
			fmt.Fprintf(&b, "\n\n## %s\n", k.heading)
		}
		b.WriteByte('\n')
		wrap(&b, k.doc)
		fmt.Fprintf(&b, "#%s=%s\n", k.name, k.initial)
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
