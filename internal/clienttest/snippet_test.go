package clienttest_test

import (
	"slices"
	"testing"

	"github.com/autoscalebot/autoscale/internal/docstest"
)

// What the page on ECS shows for a service that has AWS's SDK fits the SDK.
func TestSnippets(t *testing.T) {
	snippets := docstest.Read(t, "../../docs/platforms/ecs.md")
	snippets = slices.DeleteFunc(snippets, func(s docstest.Snippet) bool { return !s.Uses("config") })
	if len(snippets) == 0 {
		t.Fatal("no snippet of docs/platforms/ecs.md uses config")
	}
	docstest.Compile(t, docstest.Context{
		Imports: map[string]string{
			"aws": "github.com/aws/aws-sdk-go-v2/aws", "context": "context", "ecs": "github.com/autoscalebot/autoscale/platform/ecs",
		},
		Vars: map[string]string{
			"ctx": "context.Context",
			// Instead of the SDK's package config, which links much more.
			"config": "struct{ LoadDefaultConfig func(context.Context) (aws.Config, error) }",
		},
	}, snippets...)
}
