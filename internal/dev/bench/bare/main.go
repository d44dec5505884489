// Command bare is the floor of every function that makes one HTTPS call: the token is in an environment variable,
// no SDK is linked, nothing is checked, reported or logged. Scheduler, collector and roots are set as the caller sets
// them. With BENCH_TUNED it also answers Lambda as the caller does, so that what the two differ in is what the caller
// does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/cronbearer/cronbearer/internal/egress"
	"github.com/cronbearer/cronbearer/internal/tuning"
)

type handler struct {
	client *http.Client
	token  string
}

func (h handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	var job struct{ Call string }
	if err := json.Unmarshal(event, &job); err != nil {
		return nil, err
	}
	method, location, _ := strings.Cut(job.Call, " ")
	request, err := http.NewRequestWithContext(ctx, method, location, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+h.token)
	response, err := h.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return []byte("null"), nil
}

func main() {
	tuning.ForFunctionSize(os.LookupEnv)
	roots, err := egress.Roots(nil)
	if err != nil {
		log.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	transport := &http.Transport{TLSClientConfig: egress.TLSConfig(roots), Protocols: protocols}
	lambda.Start(handler{&http.Client{Transport: transport}, os.Getenv("BENCH_TOKEN")})
}
