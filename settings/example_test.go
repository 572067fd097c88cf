package settings_test

import (
	"fmt"
	"testing/fstest"
	"time"

	"github.com/autoscalebot/autoscale/settings"
)

func ExampleLoad() {
	files := fstest.MapFS{"autoscale.env": {Data: []byte(`
HEROKU_APP_NAME=quiet-river
TIME_ZONE=Europe/Berlin
MAX_DYNOS={"0:00": 2, "9:00": 5, "17:00": 2}
`)}}
	s, err := settings.Load(settings.Options{
		File:    "autoscale.env",
		FS:      files,                              // without it, a file of the machine
		Environ: []string{"HEROKU_API_KEY=a-token"}, // os.Environ(), as a rule
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	noon := time.Date(2026, time.March, 2, 12, 0, 0, 0, s.Zone)
	fmt.Printf("%s: %d to %d %s dynos at noon\n", s.App, s.Config.Min.At(noon), s.Config.Max.At(noon), s.Config.Name)
	// Output: quiet-river: 1 to 5 web dynos at noon
}

func ExampleLoad_faults() {
	_, err := settings.Load(settings.Options{Environ: []string{
		"AUTOSCALE_HEROKU_APP_NAME=quiet-river",
		"AUTOSCALE_HEROKU_API_KEY=a-token",
		"AUTOSCALE_MAX_DYNO=5",
		"AUTOSCALE_INCREMENT=two",
	}})
	fmt.Println(err)
	// Output:
	// environment: AUTOSCALE_MAX_DYNO is not a setting: is MAX_DYNOS meant?
	// environment: AUTOSCALE_INCREMENT is "two": it must be a whole number, 1 or more
}
