package settings

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/autoscalebot/autoscale/internal/suggest"
)

// orElsewhere is what one can do instead of giving a setting of Heroku that is missing, if
// PLATFORM is missing too.
func orElsewhere(name string, chosen map[string]given) string {
	if _, ok := chosen["PLATFORM"]; ok || name != "HEROKU_APP_NAME" {
		return ""
	}
	for _, p := range platforms {
		for _, k := range p.keys {
			if _, ok := chosen[k.name]; ok && k.required != "" {
				return fmt.Sprintf("; if the app is on %[1]s, as %[2]s suggests, give PLATFORM=%[1]s", p.name, k.name)
			}
		}
	}
	return "; if the app is not on Heroku, choose its platform, as PLATFORM=" + platforms[0].name
}

// otherNames are what people call platforms, without what is no letter, and what to do.
var otherNames = map[string]string{
	"flyio": "write fly", "cf": "write cloudfoundry", "tas": "write cloudfoundry", "tanzu": "write cloudfoundry",
	"aws": "write ecs", "amazonecs": "write ecs", "awsecs": "write ecs", "fargate": "write ecs",
	"gcp": "write cloudrun", "gcloud": "write cloudrun", "google": "write cloudrun", "googlecloudrun": "write cloudrun",
	"vps": "write pool, if package platform/pool runs the processes", "local": "write pool, if package platform/pool runs the processes",
	"k8s": "write kubernetes", "gke": "write kubernetes", "eks": "write kubernetes", "aks": "write kubernetes", "openshift": "write kubernetes",
}

// platformName reads PLATFORM.
func platformName(v *values, s string) error {
	err := word(func(v *values) *string { return &v.platform }, platformNames...)(v, s)
	if err == nil {
		return nil
	}
	bare := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
	if hint := otherNames[bare]; hint != "" {
		return fmt.Errorf("%w: %s", err, hint)
	}
	if near := suggest.Nearest(bare, platformNames, ""); near != "" {
		return fmt.Errorf("%w: is %s meant?", err, near)
	}
	return err
}
