package nomadtest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// uuid returns the id of an object that a write made.
func uuid(index uint64) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", index) }

// wire returns a job in the form of Nomad, without the fields that nobody here
// reads.
func (st *state) wire() map[string]any {
	groups := []any{}
	for _, name := range slices.Sorted(maps.Keys(st.Groups)) {
		g := st.Groups[name]
		var scaling any
		if v := g.Scaling; v != nil {
			var policy map[string]any
			if v.Policy {
				policy = map[string]any{"check": []any{map[string]any{"load": []any{map[string]any{"source": "prometheus", "query": "load"}}}}}
			}
			scaling = map[string]any{
				"ID": uuid(st.create), "Type": "horizontal", "Min": v.Min, "Max": v.Max, "Enabled": !v.Disabled, "Policy": policy,
				"Target":      map[string]string{"Namespace": st.Namespace, "Job": st.ID, "Group": name},
				"CreateIndex": st.create, "ModifyIndex": st.spec,
			}
		}
		groups = append(groups, map[string]any{
			"Name": name, "Count": g.Count, "Scaling": scaling,
			"Update": map[string]any{"MaxParallel": 1, "MinHealthyTime": st.MinHealthyTime, "ProgressDeadline": progressDeadline},
			"Tasks":  []any{map[string]any{"Name": name, "Driver": "docker", "Config": map[string]any{"image": "shop:1"}, "Env": nil}},
		})
	}
	var periodic any
	if st.Periodic {
		periodic = map[string]any{"Enabled": true, "Spec": "0 * * * *", "SpecType": "cron", "ProhibitOverlap": false, "TimeZone": "UTC"}
	}
	status := "running"
	if st.Stopped {
		status = "dead"
	}
	return map[string]any{
		"ID": st.ID, "Name": st.ID, "Namespace": st.Namespace, "Region": "global", "Type": st.Type, "Priority": 50,
		"Datacenters": []string{"dc1"}, "NodePool": "default", "TaskGroups": groups, "Periodic": periodic, "ParameterizedJob": nil,
		"Stop": st.Stopped, "Status": status, "Version": 0, "SubmitTime": st.submitted.UnixNano(),
		"CreateIndex": st.create, "ModifyIndex": st.modify, "JobModifyIndex": st.spec,
	}
}

// status returns the status of a job's scale. Its JobModifyIndex is the job's ModifyIndex.
func (st *state) status(now time.Time) map[string]any {
	groups := map[string]any{}
	for name, of := range st.Groups {
		g := st.groups[name]
		placed, running, healthy := 0, 0, 0
		for _, created := range g.allocs {
			if st.Stopped {
				break
			}
			placed++
			if now.Before(created.Add(of.Start)) {
				continue
			}
			running++
			// A deployment looks again at the health of allocations that it does not replace.
			if !st.active(now) && !now.Before(created.Add(of.Start+st.MinHealthyTime)) {
				healthy++
			}
		}
		unhealthy := min(of.Unhealthy, running)
		var orders any // null if there are none
		if g.orders != nil {
			orders = g.orders
		}
		groups[name] = map[string]any{
			"Desired": of.Count, "Placed": placed, "Running": running, "Healthy": min(healthy, running-unhealthy), "Unhealthy": unhealthy, "Events": orders,
		}
	}
	return map[string]any{
		"JobID": st.ID, "Namespace": st.Namespace, "JobCreateIndex": st.create, "JobModifyIndex": st.modify,
		"JobStopped": st.Stopped, "TaskGroups": groups,
	}
}

// deployment returns the latest deployment, or nil.
func (st *state) deployment(now time.Time) any {
	if st.deployed == 0 && !st.Deploying {
		return nil
	}
	status, description := "successful", "Deployment completed successfully"
	switch {
	case st.active(now):
		status, description = "running", "Deployment is running"
	case st.fails:
		status, description = "failed", "Failed due to progress deadline"
	}
	groups := map[string]any{}
	for name, of := range st.Groups {
		groups[name] = map[string]any{
			"DesiredTotal": of.Count, "PlacedAllocs": len(st.groups[name].allocs), "HealthyAllocs": 0, "UnhealthyAllocs": 0,
			"DesiredCanaries": 0, "Promoted": false, "AutoRevert": false, "PlacedCanaries": nil, "ProgressDeadline": progressDeadline,
		}
	}
	return map[string]any{
		"ID": uuid(st.deployed), "Namespace": st.Namespace, "JobID": st.ID, "JobVersion": 0, "JobModifyIndex": st.modify,
		"JobSpecModifyIndex": st.spec, "JobCreateIndex": st.create, "IsMultiregion": false, "TaskGroups": groups,
		"Status": status, "StatusDescription": description, "CreateIndex": st.deployed, "ModifyIndex": st.deployed,
		"CreateTime": st.submitted.UnixNano(), "ModifyTime": st.submitted.UnixNano(),
	}
}

// evaluations returns the evaluation of the last order of each group, and one that waits for
// room if that found none for all.
func (st *state) evaluations() []any {
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(st.Groups)) {
		of, g := st.Groups[name], st.groups[name]
		one := func(id, status, by string, index uint64) map[string]any {
			return map[string]any{
				"ID": id, "Namespace": st.Namespace, "Priority": 50, "Type": st.Type, "TriggeredBy": by, "JobID": st.ID,
				"JobModifyIndex": st.spec, "Status": status, "StatusDescription": "", "QuotaLimitReached": "", "FailedTGAllocs": nil,
				"CreateIndex": index, "ModifyIndex": index, "CreateTime": st.submitted.UnixNano(), "ModifyTime": st.submitted.UnixNano(),
			}
		}
		first := one(uuid(g.tried), "complete", "job-scaling", g.tried)
		list = append(list, first)
		missing := of.Count - len(g.allocs)
		if missing == 0 {
			continue
		}
		metric := map[string]any{
			"NodesEvaluated": 3, "NodesFiltered": 1, "NodesInPool": 3, "NodePool": "default", "NodesAvailable": map[string]int{"dc1": 3},
			"ClassFiltered": nil, "ConstraintFiltered": map[string]int{"${attr.kernel.name} = linux": 1}, "NodesExhausted": 2, "ClassExhausted": nil,
			"DimensionExhausted": map[string]int{"memory": 2}, "QuotaExhausted": nil, "CoalescedFailures": missing - 1,
		}
		if of.Room < 0 {
			metric["NodesEvaluated"], metric["NodesFiltered"], metric["NodesExhausted"], metric["DimensionExhausted"] = 0, 0, 0, nil
		}
		blocked := one(uuid(g.tried+1<<20), "blocked", "queued-allocs", g.tried)
		blocked["StatusDescription"], blocked["PreviousEval"], blocked["QuotaLimitReached"] = "created to place remaining allocations", first["ID"], of.Quota
		first["BlockedEval"] = blocked["ID"]
		for _, e := range []map[string]any{first, blocked} {
			e["FailedTGAllocs"] = map[string]any{name: metric}
		}
		list = append(list, blocked)
	}
	return list
}

// allocations returns the allocations that have not ended.
func (st *state) allocations(now time.Time) []any {
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(st.Groups)) {
		for i, created := range st.groups[name].allocs {
			if st.Stopped {
				break
			}
			status := "running"
			if now.Before(created.Add(st.Groups[name].Start)) {
				status = "pending"
			}
			list = append(list, map[string]any{
				"ID": uuid(st.create<<8 + uint64(i)), "Name": fmt.Sprintf("%s.%s[%d]", st.ID, name, i), "Namespace": st.Namespace, "JobID": st.ID,
				"JobType": st.Type, "JobVersion": 0, "TaskGroup": name, "DesiredStatus": "run", "ClientStatus": status,
				"CreateTime": created.UnixNano(), "ModifyTime": created.UnixNano(),
			})
		}
	}
	return list
}
