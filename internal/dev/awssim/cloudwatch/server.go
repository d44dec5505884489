// Package cloudwatch is a model of CloudWatch's API, over Smithy RPC v2 CBOR as AWS's SDKs for Go speak it: the three
// operations that the functions use, and the errors of the API reference. What alarms make of the data is package
// alarm's. It is a model, not CloudWatch: what it stores is there at once.
package cloudwatch

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/alarm"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/iam"
	"github.com/cronbearer/cronbearer/internal/dev/fault"
)

const (
	servicePath = "/service/GraniteServiceVersion20100801/operation/"
	// maxRequest: "Each PutMetricData request is limited to 1 MB in size for HTTP POST requests".
	maxRequest = 1 << 20
)

// Datum is one datum of a PutMetricData.
type Datum struct {
	Namespace  string
	Metric     string
	Dimensions []alarm.Dimension // in the order of the request
	Timestamp  time.Time
	Statistics alarm.Statistics
}

// Value is the datum's value if it is one value.
func (d Datum) Value() float64 { return d.Statistics.Sum }

// Dimension is the value of a dimension, or "".
func (d Datum) Dimension(name string) string {
	for _, one := range d.Dimensions {
		if one.Name == name {
			return one.Value
		}
	}
	return ""
}

// Call is one request that was served or rejected.
type Call struct {
	At        time.Time
	Operation string
	AccessKey string
	Rejected  string  // AWS's error code; empty: served
	Data      []Datum // of a PutMetricData, as far as it could be read
	Alarm     string  // of a SetAlarmState, or the first of a DescribeAlarms
	State     string  // of a SetAlarmState
	Reason    string
	Gzip      bool
}

// Config is what a Server depends on.
type Config struct {
	Region, AccountID, Partition string
	Now                          api.Clock // nil: the real clock
	Samples                      *alarm.Samples
	Monitor                      *alarm.Monitor
	// Changed is called with what SetAlarmState changed, so that actions follow; nil: it is not called.
	Changed func(alarm.Transition)
}

// Server speaks the protocol. It is an http.Handler.
type Server struct {
	Faults api.Faults // by operation and, for SetAlarmState and DescribeAlarms, the alarm's name
	// Authorize is asked whether a caller may do an action; nil allows everything.
	Authorize api.Authorizer

	config Config

	mu     sync.Mutex
	calls  []Call
	unkept bool
}

// NewServer returns a Server.
func NewServer(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Server{config: c}
}

// Calls are the requests so far, oldest first; of one operation if one is named.
func (s *Server) Calls(operation string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c Call) bool {
		return operation != "" && c.Operation != operation
	})
}

// Data are the data that were stored, oldest first; of one metric if one is named.
func (s *Server) Data(metric string) []Datum {
	var list []Datum
	for _, c := range s.Calls("PutMetricData") {
		for _, d := range c.Data {
			if c.Rejected == "" && (metric == "" || d.Metric == metric) {
				list = append(list, d)
			}
		}
	}
	return list
}

// Keep switches off, for long replays, that every call is kept.
func (s *Server) Keep(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unkept = !keep
}

// Forget drops the record of the calls.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

func (s *Server) note(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unkept {
		s.calls = append(s.calls, c)
	}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, ok := strings.CutPrefix(r.URL.Path, servicePath)
	call := Call{At: s.config.Now(), Operation: operation, Gzip: r.Header.Get("Content-Encoding") == "gzip"}
	if !ok || r.Method != http.MethodPost || r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		s.reject(
			w, call,
			&api.Error{
				Status: http.StatusNotFound, Code: "UnknownOperationException",
				Message: "this is not a request to CloudWatch in RPC v2 CBOR",
			},
		)
		return
	}
	body, rejected := read(r)
	var request cbor.Map
	if rejected == nil {
		request, rejected = decode(body)
	}
	if rejected == nil {
		call.AccessKey, rejected = api.AccessKey(r)
	}
	if rejected != nil {
		s.reject(w, call, rejected)
		return
	}
	serve, access := s.operation(operation, request, &call)
	if serve == nil {
		s.reject(
			w, call,
			&api.Error{
				Status: http.StatusBadRequest, Code: "UnknownOperationException",
				Message: "this model does not know " + operation,
			},
		)
		return
	}
	if s.Authorize != nil {
		if rejected := s.Authorize(call.AccessKey, access); rejected != nil {
			s.reject(w, call, rejected)
			return
		}
	}
	answer, rejected, answered := s.Faults.Next(operation, call.Alarm).Serve(r.Context(), serve)
	switch {
	case !answered:
		call.Rejected = "no answer"
		s.note(call)
		fault.HangUp()
	case rejected != nil:
		s.reject(w, call, rejected)
	default:
		s.note(call)
		encoded, _ := answer.(cbor.Map)
		write(w, http.StatusOK, encoded)
	}
}

// operation prepares one; what it reads of the request is in the call even if it is rejected.
func (s *Server) operation(name string, request cbor.Map, call *Call) (func() (any, *api.Error), api.Access) {
	action, everything := "cloudwatch:"+name, s.alarmARN("*")
	switch name {
	case "PutMetricData":
		data, rejected := s.metricData(request)
		call.Data = data
		namespace, _ := text(request, "Namespace")
		return func() (any, *api.Error) { return s.put(data, rejected) },
			api.Access{Action: action, Resource: "*", Context: iam.Context{"cloudwatch:namespace": {namespace}}}
	case "DescribeAlarms":
		names := texts(request, "AlarmNames")
		if len(names) > 0 {
			call.Alarm = names[0]
		}
		return func() (any, *api.Error) {
			return s.describe(request, names)
		}, api.Access{Action: action, Resource: everything}
	case "SetAlarmState":
		call.Alarm, _ = text(request, "AlarmName")
		call.State, _ = text(request, "StateValue")
		call.Reason, _ = text(request, "StateReason")
		return func() (any, *api.Error) {
			return s.setState(request)
		}, api.Access{Action: action, Resource: s.alarmARN(call.Alarm)}
	}
	return nil, api.Access{}
}

func (s *Server) alarmARN(name string) string {
	return strings.Join(
		[]string{"arn", s.config.Partition, "cloudwatch", s.config.Region, s.config.AccountID, "alarm", name}, ":",
	)
}

func read(r *http.Request) ([]byte, *api.Error) {
	sent := http.MaxBytesReader(nil, r.Body, maxRequest)
	var reader io.Reader = sent
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(sent)
		if err != nil {
			return nil, api.Reject("SerializationException", "the body is not gzip")
		}
		reader = unzipped
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return nil, &api.Error{
			Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge",
			Message: "Request size exceeded 1048576 bytes",
		}
	}
	return body, nil
}

// decode never trusts the decoder, which its package says is for SDKs only.
func decode(body []byte) (request cbor.Map, rejected *api.Error) {
	value, err := cbor.Decode(body)
	if err == nil {
		var ok bool
		if request, ok = value.(cbor.Map); !ok {
			err = errors.New("not a map")
		}
	}
	if err != nil {
		return nil, api.Reject("SerializationException", "the body is not a CBOR map")
	}
	return request, nil
}

// reject answers as a service does that knew AWS's query protocol before: SDKs read the code from the header.
func (s *Server) reject(w http.ResponseWriter, call Call, e *api.Error) {
	call.Rejected = e.Code
	s.note(call)
	fault := "Sender"
	if e.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", e.Code+";"+fault)
	write(w, e.Status, cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#" +
		e.Code), "message": cbor.String(e.Message)})
}

func write(w http.ResponseWriter, status int, answer cbor.Map) {
	if answer == nil {
		answer = cbor.Map{}
	}
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.WriteHeader(status)
	_, _ = w.Write(cbor.Encode(answer))
}
