package heroku

import "github.com/autoscalebot/autoscale/platform"

// What Heroku permits an account.
const accountPerHour = 4500

// A CallBudgetError says that a call was not made because its context leaves no
// time to wait until the calls of the API that are permitted have room for it.
type CallBudgetError = platform.CallBudgetError
