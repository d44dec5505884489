package jsondoc_test

import (
	"testing"

	"github.com/cronbearer/cronbearer/internal/jsondoc"
)

func BenchmarkParseEvent(b *testing.B) {
	event := []byte(`{"job":"DailyReport","action":"call","token":"ExampleApi","secret":"example-api",` +
		`"call":"POST https://api.example.com/v1/reports?for={{scheduledDate}}","headers":{"Accept":"application/json"},` +
		`"body":{"kind":"daily"},"timeout":"30s","attempts":3,"idempotent":false,"maxAge":"1h",` +
		`"expect":{"status":["2xx"],"json":{"/ok":true}},"reject":{"status":[403],"json":{"/error":"token_expired"}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := jsondoc.Parse(event); err != nil {
			b.Fatal(err)
		}
	}
}
