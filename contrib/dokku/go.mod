module github.com/autoscalebot/autoscale/contrib/dokku

go 1.25.0

require (
	github.com/autoscalebot/autoscale v0.0.0
	golang.org/x/crypto v0.54.0
)

require golang.org/x/sys v0.47.0 // indirect

replace github.com/autoscalebot/autoscale => ../..
