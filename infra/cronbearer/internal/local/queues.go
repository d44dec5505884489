package local

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	simsqs "github.com/cronbearer/cronbearer/internal/dev/awssim/sqs"
)

func (s *Server) registerSQS() {
	on(s, "sqs:GetQueueAttributes", func(in *sqs.GetQueueAttributesInput) string { return s.queueARN(in.QueueUrl) },
		s.getQueueAttributes)
	on(s, "sqs:ReceiveMessage", func(in *sqs.ReceiveMessageInput) string {
		return s.queueARN(in.QueueUrl)
	}, s.receiveMessage)
	on(s, "sqs:ChangeMessageVisibility",
		func(in *sqs.ChangeMessageVisibilityInput) string { return s.queueARN(in.QueueUrl) }, s.changeMessageVisibility)
	on(s, "sqs:DeleteMessage", func(in *sqs.DeleteMessageInput) string { return s.queueARN(in.QueueUrl) }, s.deleteMessage)
}

func (s *Server) queueARN(url *string) string {
	if queue := s.cloud.QueueByURL(aws.ToString(url)); queue != nil {
		return queue.ARN
	}
	return s.arn("sqs", "none")
}

func (s *Server) queue(url *string) (*simsqs.Queue, error) {
	if queue := s.cloud.QueueByURL(aws.ToString(url)); queue != nil {
		return queue, nil
	}
	return nil, api.Reject("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

func (s *Server) getQueueAttributes(
	_ context.Context, in *sqs.GetQueueAttributesInput,
) (*sqs.GetQueueAttributesOutput, error) {
	queue, err := s.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	visible, _ := queue.Visible()
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{
		"QueueArn": queue.ARN, "ApproximateNumberOfMessages": strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(queue.Hidden()),
		"MessageRetentionPeriod":                strconv.Itoa(int(queue.Retention() / time.Second)),
	}}, nil
}

// defaultVisibility is the visibility timeout of a queue that does not set one (SQS Developer Guide).
const defaultVisibility = 30

func (s *Server) receiveMessage(_ context.Context, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	queue, err := s.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	n := int(in.MaxNumberOfMessages)
	if n == 0 {
		n = 1
	}
	if n > 10 {
		return nil, api.Reject("InvalidParameterValue", "MaxNumberOfMessages must be between 1 and 10")
	}
	visibility := int(in.VisibilityTimeout)
	if visibility == 0 {
		visibility = defaultVisibility
	}
	out := &sqs.ReceiveMessageOutput{}
	for _, m := range queue.Receive(n, time.Duration(visibility)*time.Second) {
		one := sqstypes.Message{
			MessageId: &m.ID, ReceiptHandle: &m.Receipt, Body: aws.String(s.cloud.Public(m.Body)),
			Attributes: map[string]string{
				"SentTimestamp":           strconv.FormatInt(m.Sent.UnixMilli(), 10),
				"ApproximateReceiveCount": strconv.Itoa(m.Count),
			},
			MessageAttributes: map[string]sqstypes.MessageAttributeValue{},
		}
		for name, value := range m.Attributes {
			one.MessageAttributes[name] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
		}
		out.Messages = append(out.Messages, one)
	}
	return out, nil
}

func (s *Server) changeMessageVisibility(
	_ context.Context, in *sqs.ChangeMessageVisibilityInput,
) (*sqs.ChangeMessageVisibilityOutput, error) {
	queue, err := s.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	visibility := time.Duration(in.VisibilityTimeout) * time.Second
	return &sqs.ChangeMessageVisibilityOutput{}, receiptError(
		queue.SetVisibility(aws.ToString(in.ReceiptHandle), visibility),
	)
}

func (s *Server) deleteMessage(_ context.Context, in *sqs.DeleteMessageInput) (*sqs.DeleteMessageOutput, error) {
	queue, err := s.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sqs.DeleteMessageOutput{}, receiptError(queue.DeleteReceived(aws.ToString(in.ReceiptHandle)))
}

func receiptError(err error) error {
	if err == nil {
		return nil
	}
	return api.Reject("ReceiptHandleIsInvalid", "The specified receipt handle isn't valid.")
}
