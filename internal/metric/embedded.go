package metric

import (
	"encoding/json"
	"time"
)

// embedded writes the data as one line of the embedded metric format (CloudWatch User Guide, "Specification: Embedded
// metric format"). Lambda drops a line below its log level and treats one without an RFC 3339 timestamp as INFO, so
// the line has the level FATAL and a timestamp.
func (p *Publisher) embedded(at time.Time, data []datum) []byte {
	type definition struct{ Name string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	line := map[string]any{
		"timestamp":    at.UTC().Format(time.RFC3339Nano),
		"level":        "FATAL",
		"message":      "metrics that CloudWatch did not take",
		DimensionStack: p.stack,
	}
	byDimension := map[string]*directive{}
	var directives []*directive
	for _, d := range data {
		to := byDimension[d.dimension]
		if to == nil {
			to = &directive{Namespace: p.namespace, Dimensions: [][]string{{DimensionStack, d.dimension}}}
			byDimension[d.dimension] = to
			directives = append(directives, to)
		}
		to.Metrics = append(to.Metrics, definition{d.metric})
		line[d.dimension], line[d.metric] = d.owner, d.value
	}
	line["_aws"] = map[string]any{"Timestamp": at.UnixMilli(), "CloudWatchMetrics": directives}
	text, err := json.Marshal(line)
	if err != nil { // the values are finite numbers and strings
		return nil
	}
	return append(text, '\n')
}
