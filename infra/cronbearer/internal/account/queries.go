package account

// LastRunsQuery is the Logs Insights query for the newest run of each job and outcome, from the caller's log group. The
// fields of its rows: result.job, result.outcome, at (milliseconds since 1970), status, verdict.
const LastRunsQuery = `filter message = "run" ` +
	`| stats latest(@timestamp) as at, latest(result.status) as status, latest(result.verdict) as verdict ` +
	`by result.job, result.outcome`

// RunsPattern is the filter pattern for the one line that each run of the caller logs.
const RunsPattern = `{ $.message = "run" }`
