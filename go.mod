module github.com/autoscalebot/autoscale

go 1.25.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/heroku/heroku-go/v5 v5.5.0
	github.com/wneessen/go-mail v0.8.1
	golang.org/x/time v0.15.0
)

require (
	github.com/cenkalti/backoff v2.1.1+incompatible // indirect
	github.com/google/go-querystring v1.0.0 // indirect
	github.com/google/uuid v1.0.0 // indirect
	github.com/pborman/uuid v1.2.0 // indirect
	golang.org/x/crypto v0.54.0 // indirect
	golang.org/x/text v0.40.0 // indirect
)
