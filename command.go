package autoscale

import (
	"encoding/json"
	"fmt"
	"time"
)

// command is what a person last asked the Autoscalers of a process type to do. The
// [Store] keeps it, if there is one, so that any process can take it and every leader
// obeys it.
type command struct {
	Kind  commandKind `json:"kind"`
	Size  int         `json:"size,omitempty"` // of an override
	Until time.Time   `json:"until,omitzero"` // when a pause or an override ends. Zero: Resume ends it
	Given time.Time   `json:"given"`          // identifies the command, and shows which of two is later
	By    string      `json:"by,omitempty"`   // who gave it, or the process that took it
}

type commandKind string

const (
	noCommand       commandKind = ""
	pauseCommand    commandKind = "pause"
	overrideCommand commandKind = "override"
	resumeCommand   commandKind = "resume"
)

// commandAt returns the command that holds at a time: the later one of the command that
// was given to this process and the command in the Store.
func commandAt(at time.Time, given command, record Record) command {
	c := given
	if record.Command != nil {
		var stored command
		if err := json.Unmarshal(record.Command, &stored); err == nil && (record.Read.After(c.Given) || stored.Given.After(c.Given)) {
			// The order in the Store counts, not the clocks of the processes that took
			// the commands.
			c = stored
		}
	}
	if !c.Until.IsZero() && !at.Before(c.Until) {
		c.Kind = noCommand
	}
	return c
}

// resumed returns who gave a Resume, and when. It is empty for other commands.
func (c command) resumed() string {
	if c.Kind != resumeCommand {
		return ""
	}
	return "resumed at " + c.Given.UTC().Format(time.RFC3339) + c.by()
}

func (c command) by() string {
	if c.By == "" {
		return ""
	}
	return " (by " + c.By + ")"
}

// String returns what the command asks for.
func (c command) String() string {
	by := c.by()
	switch {
	case c.Kind == pauseCommand && !c.Until.IsZero():
		return "paused until " + c.Until.UTC().Format(time.RFC3339) + by
	case c.Kind == pauseCommand:
		return "paused since " + c.Given.UTC().Format(time.RFC3339) + by
	case c.Kind == overrideCommand:
		return fmt.Sprintf("set to %d until %s%s", c.Size, c.Until.UTC().Format(time.RFC3339), by)
	}
	return ""
}
