package local

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/cronbearer/cronbearer/internal/dev/awssim/api"
	"github.com/cronbearer/cronbearer/internal/dev/awssim/notify"
)

func (s *Server) registerSNS() {
	on(s, "sns:GetTopicAttributes", func(in *sns.GetTopicAttributesInput) string { return aws.ToString(in.TopicArn) },
		s.getTopicAttributes)
	on(s, "sns:ListSubscriptionsByTopic",
		func(in *sns.ListSubscriptionsByTopicInput) string { return aws.ToString(in.TopicArn) }, s.listSubscriptions)
	on(s, "sns:ListTagsForResource", func(in *sns.ListTagsForResourceInput) string { return aws.ToString(in.ResourceArn) },
		s.listTags)
	on(s, "sns:TagResource", func(in *sns.TagResourceInput) string { return aws.ToString(in.ResourceArn) }, s.tag)
}

func (s *Server) topic(arn *string) (*notify.Topic, error) {
	if topic := s.cloud.Topic(aws.ToString(arn)); topic != nil {
		return topic, nil
	}
	return nil, api.Reject("NotFound", "Topic does not exist")
}

func (s *Server) getTopicAttributes(
	_ context.Context, in *sns.GetTopicAttributesInput,
) (*sns.GetTopicAttributesOutput, error) {
	topic, err := s.topic(in.TopicArn)
	if err != nil {
		return nil, err
	}
	confirmed, pending := 0, 0
	for _, one := range topic.Subscriptions() {
		if one.Unconfirmed {
			pending++
		} else {
			confirmed++
		}
	}
	attributes := map[string]string{
		"TopicArn": topic.ARN, "SubscriptionsConfirmed": strconv.Itoa(confirmed),
		"SubscriptionsPending": strconv.Itoa(pending),
	}
	for _, r := range s.cloud.Stack.OfType("AWS::SNS::TopicPolicy") {
		if topics, _ := r.Properties["Topics"].([]any); slices.Contains(topics, any(topic.ARN)) {
			if attributes["Policy"], err = text(r.Properties["PolicyDocument"]); err != nil {
				return nil, err
			}
		}
	}
	for _, r := range s.cloud.Stack.OfType("AWS::SNS::Topic") {
		if key, ok := r.Properties["KmsMasterKeyId"].(string); ok && s.cloud.Stack.Ref(r.LogicalID) == topic.ARN {
			attributes["KmsMasterKeyId"] = key
		}
	}
	return &sns.GetTopicAttributesOutput{Attributes: attributes}, nil
}

func text(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

// pendingARN stands for the ARN of a subscription that is not confirmed (SNS API Reference, ListSubscriptionsByTopic).
const pendingARN = "PendingConfirmation"

func subscriptionARN(topic string, i int, one notify.Subscription) string {
	if one.Unconfirmed {
		return pendingARN
	}
	return topic + ":00000000-0000-4000-8000-" + strconv.Itoa(100000000000+i)
}

func (s *Server) listSubscriptions(
	_ context.Context, in *sns.ListSubscriptionsByTopicInput,
) (*sns.ListSubscriptionsByTopicOutput, error) {
	topic, err := s.topic(in.TopicArn)
	if err != nil {
		return nil, err
	}
	out := &sns.ListSubscriptionsByTopicOutput{}
	for i, one := range topic.Subscriptions() {
		out.Subscriptions = append(out.Subscriptions, snstypes.Subscription{
			TopicArn: in.TopicArn, Protocol: &one.Protocol, Endpoint: &one.Endpoint, Owner: &s.cloud.Stack.AccountID,
			SubscriptionArn: aws.String(subscriptionARN(topic.ARN, i, one)),
		})
	}
	return out, nil
}

func (s *Server) listTags(
	_ context.Context, in *sns.ListTagsForResourceInput,
) (*sns.ListTagsForResourceOutput, error) {
	if _, err := s.topic(in.ResourceArn); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out, tags := &sns.ListTagsForResourceOutput{}, s.topicTags[aws.ToString(in.ResourceArn)]
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out.Tags = append(out.Tags, snstypes.Tag{Key: &key, Value: aws.String(tags[key])})
	}
	return out, nil
}

func (s *Server) tag(_ context.Context, in *sns.TagResourceInput) (*sns.TagResourceOutput, error) {
	if _, err := s.topic(in.ResourceArn); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := aws.ToString(in.ResourceArn)
	if s.topicTags[arn] == nil {
		s.topicTags[arn] = map[string]string{}
	}
	for _, tag := range in.Tags {
		s.topicTags[arn][aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return &sns.TagResourceOutput{}, nil
}
