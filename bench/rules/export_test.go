package rules

// QueueP95 is queueP95.
var QueueP95 = queueP95
