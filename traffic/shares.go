package traffic

import (
	"context"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/count"
)

var _ autoscale.Sharer = (*Shared)(nil)

// Shares reads from the metrics board what each process measured, in one round trip. Any
// process may call it. A report that cannot be read, such as one from another release, is
// left out.
func (s *Shared) Shares(ctx context.Context) ([]autoscale.Share, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	window := s.Traffic.opts.Window
	fresh, _ := count.Ages(s.interval(), window)
	reports, err := s.read(ctx, fresh)
	if err != nil {
		return nil, err
	}
	shares := make([]autoscale.Share, 0, len(reports))
	for _, r := range reports[:min(len(reports), MaxReports)] {
		var one count.Sum
		if _, err := one.Gather([]count.Posted{{Data: r.Data}}, 0, fresh); err != nil {
			continue
		}
		sample := one.Sample(window, s.Traffic.opts.Percentile, time.Time{})
		shares = append(shares, autoscale.Share{
			Process: r.Member, Age: r.Age, Arrivals: sample.Arrivals, Busy: sample.Busy, Latency: sample.Latency,
		})
	}
	return shares, nil
}
