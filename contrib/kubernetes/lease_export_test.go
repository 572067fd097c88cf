package kubernetes

import (
	"time"

	"github.com/autoscalebot/autoscale/leader"
)

// NewLease returns what an Elector gives to leader.New, without a watch.
func NewLease(c *Client) leader.Lease {
	return &lease{client: c, watched: make(chan string, 1), fresh: time.Second}
}
