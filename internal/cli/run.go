package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/settings"
)

// run scales until ctx ends.
func (c *command) run(ctx context.Context) int {
	s, logger, ok := c.load()
	if !ok {
		return exitUsage
	}
	for _, w := range s.Warnings {
		logger.Warn("autoscalebot: " + w)
	}
	if text := itself(s); text != "" {
		logger.Warn("autoscalebot: " + text)
	}
	if url := s.Store(); url != "" {
		store, err := c.open(url, "the setting STORE", true, &leader.Options{App: s.App, Logger: logger})
		if err != nil {
			fmt.Fprintln(c.stderr, "autoscalebot:", err)
			return exitUsage
		}
		s.Config.Elector = store.Elector
	}
	logger.Info("autoscalebot: started", slog.String("version", version()),
		slog.String("app", s.App), slog.String("process_type", s.Config.Name),
		slog.String("time_zone", zone(s, time.Now())), slog.Bool("dry_run", s.Config.DryRun))
	a := autoscale.New(s.Config)
	if err := a.Validate(); err != nil { // Run would wait
		logger.Error(err.Error())
		return exitFailed
	}
	if err := a.Run(ctx); err != nil {
		return exitFailed // Run has logged it
	}
	logger.Info("autoscalebot: stopped")
	return exitOK
}

// itself says that the worker would scale itself, or "".
func itself(s *settings.Settings) string {
	if len(s.Own) == 0 {
		return ""
	}
	return fmt.Sprintf("autoscalebot would scale itself: %s of the environment name what it runs in: name the service in the settings file, or by variables with AUTOSCALE_ before their names",
		strings.Join(s.Own, " and "))
}

// zone says in which time zone schedules are read, and what its clocks show.
func zone(s *settings.Settings, now time.Time) string {
	name := s.Zone.String()
	if s.Zone == time.Local {
		name = "this machine's, as TIME_ZONE is not given"
	}
	return fmt.Sprintf("%s (it is %s)", name, now.In(s.Zone).Format("15:04 MST -07:00"))
}
