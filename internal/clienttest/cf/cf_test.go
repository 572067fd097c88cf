package cf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cloudfoundry/go-cfclient/v3/client"
	"github.com/cloudfoundry/go-cfclient/v3/config"
	"github.com/cloudfoundry/go-cfclient/v3/resource"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry/cftest"
)

// go-cfclient finds UAA, gets a token by each grant, and reads and scales a process of the
// fake. It sees what our client sees.
func TestGoCFClient(t *testing.T) {
	for name, grant := range map[string]config.Option{
		"client credentials": config.ClientCredentials(cftest.ClientID, cftest.ClientSecret),
		"password":           config.UserPassword(cftest.Username, cftest.Password),
	} {
		t.Run(name, func(t *testing.T) {
			s := cftest.NewServer()
			defer s.Close()
			app := s.AddApp(cftest.App{Processes: map[string]int{"web": 2, "worker": 1}, Crashed: 1})
			cfg, err := config.New(s.URL, grant)
			if err != nil {
				t.Fatal(err)
			}
			cf, err := client.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			p, err := cf.Processes.Get(t.Context(), app)
			if err != nil || p.Type != "web" || p.Instances != 2 || p.Relationships.App.Data.GUID != app {
				t.Fatalf("%+v, %v", p, err)
			}
			stats, err := cf.Processes.GetStatsForApp(t.Context(), app, "web")
			if err != nil || len(stats.Stats) != 2 || stats.Stats[0].State != "CRASHED" || stats.Stats[1].State != "RUNNING" {
				t.Fatalf("%+v, %v", stats, err)
			}
			three := 3
			if p, err = cf.Processes.Scale(t.Context(), app, &resource.ProcessScale{Instances: &three}); err != nil || p.Instances != 3 {
				t.Fatalf("%+v, %v", p, err)
			}
			s.Change(app, func(a *cftest.App) { a.Deploying = true })
			opts := client.NewDeploymentListOptions()
			opts.AppGUIDs.EqualTo(app)
			opts.StatusValues.EqualTo("ACTIVE")
			deployments, err := cf.Deployments.ListAll(t.Context(), opts)
			if err != nil || len(deployments) != 1 || deployments[0].Status.Value != "ACTIVE" || deployments[0].Relationships.App.Data.GUID != app {
				t.Fatalf("%+v, %v", deployments, err)
			}
			_, err = cf.Processes.Scale(t.Context(), app, &resource.ProcessScale{Instances: &three})
			if !resource.IsUnprocessableEntityError(err) || !strings.Contains(err.Error(), "deployment is in flight") {
				t.Errorf("during a deployment: %v", err)
			}

			ours := cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL})
			defer ours.CloseIdleConnections()
			c, err := ours.Scaler(app, "web").Capacity(t.Context())
			if err != nil || c.Desired != p.Instances || c.Pending != 1 || !c.Deploying || !c.Changed.Equal(p.UpdatedAt.Truncate(time.Second)) {
				t.Errorf("we see %+v, %v; go-cfclient saw %+v", c, err, p)
			}
		})
	}
}
