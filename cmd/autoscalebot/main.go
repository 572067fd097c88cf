// Command autoscalebot scales one process type of an app, from a process of its own. The
// app is on Heroku, or on the platform that the setting PLATFORM names. On Heroku a
// Procfile starts it:
//
//	autoscaleworker: autoscalebot --settings=autoscale.env
//
// Run
//
//	autoscalebot sample > autoscale.env
//
// for a settings file with every setting, and
//
//	autoscalebot check --settings=autoscale.env
//
// to see what would be done now, without doing it. Every setting can also be a
// variable of the environment; see the package settings.
//
// To see what the settings would do under a load, and what others would, run
//
//	autoscalebot simulate --settings=autoscale.env --against=other.env --trace=week.csv --html=week.html
//
// autoscalebot ends on SIGTERM and on an interrupt, within some ten seconds. Its exit
// status is then 0. It is 2 if the arguments or the settings are wrong, with a line for
// each fault, and 1 if something else failed.
package main

import "github.com/autoscalebot/autoscale/internal/cli"

func main() { cli.Main(nil, nil) }
