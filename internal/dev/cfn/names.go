package cfn

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"slices"
	"strings"
)

// nameProperty is the property that fixes a resource's physical name.
var nameProperty = map[string]string{
	"AWS::CloudWatch::Alarm":        "AlarmName",
	"AWS::CloudWatch::Dashboard":    "DashboardName",
	"AWS::Events::Rule":             "Name",
	"AWS::IAM::Role":                "RoleName",
	"AWS::Lambda::Function":         "FunctionName",
	"AWS::Logs::LogGroup":           "LogGroupName",
	"AWS::SNS::Topic":               "TopicName",
	"AWS::SQS::Queue":               "QueueName",
	"AWS::Scheduler::Schedule":      "Name",
	"AWS::Scheduler::ScheduleGroup": "Name",
	"AWS::SecretsManager::Secret":   "Name",
	"AWS::Serverless::Function":     "FunctionName",
}

// NameProperty returns the property that would fix the physical name of a
// resource of that type, or "".
func NameProperty(resourceType string) string { return nameProperty[resourceType] }

// physicalID is what a Ref to the resource returns.
func (r *resolver) physicalID(where, id string) any {
	s, name := r.stack, r.name(where, id)
	switch r.typeOf(id) {
	case "AWS::SQS::Queue":
		return "https://sqs." + s.Region + "." + s.urlSuffix() + "/" + s.AccountID + "/" + name
	case "AWS::SNS::Topic", "AWS::SecretsManager::Secret":
		return r.attribute(where, id, "Arn")
	case "AWS::SNS::Subscription":
		return s.arn("sns", name+":"+uuid(id+s.StackName))
	case "AWS::KMS::Key":
		return uuid(id + s.StackName)
	case "AWS::IAM::ManagedPolicy":
		return "arn:" + s.Partition + ":iam::" + s.AccountID + ":policy/" + name
	default:
		return name
	}
}

// attribute is what a Fn::GetAtt returns: the ARN in the shape of its service, or
// one of the few attributes that are plain names.
func (r *resolver) attribute(where, id, attribute string) any {
	s, name, kind := r.stack, r.name(where, id), r.typeOf(id)
	switch kind + "." + attribute {
	case "AWS::SQS::Queue.Arn":
		return s.arn("sqs", name)
	case "AWS::SQS::Queue.QueueName", "AWS::SNS::Topic.TopicName":
		return name
	case "AWS::SQS::Queue.QueueUrl":
		return r.physicalID(where, id)
	case "AWS::SNS::Topic.Arn", "AWS::SNS::Topic.TopicArn":
		return s.arn("sns", name)
	case "AWS::KMS::Key.Arn":
		return s.arn("kms", "key/"+uuid(id+s.StackName))
	case "AWS::IAM::Role.Arn":
		return "arn:" + s.Partition + ":iam::" + s.AccountID + ":role/" + name
	case "AWS::S3::Bucket.Arn":
		return "arn:" + s.Partition + ":s3:::" + strings.ToLower(name)
	case "AWS::Serverless::Function.Arn", "AWS::Lambda::Function.Arn":
		return s.arn("lambda", "function:"+name)
	case "AWS::Logs::LogGroup.Arn":
		return s.arn("logs", "log-group:"+name+":*")
	case "AWS::Scheduler::ScheduleGroup.Arn":
		return s.arn("scheduler", "schedule-group/"+name)
	case "AWS::Scheduler::Schedule.Arn":
		return s.arn("scheduler", "schedule/"+r.groupOf(where, id)+"/"+name)
	case "AWS::CloudWatch::Alarm.Arn":
		return s.arn("cloudwatch", "alarm:"+name)
	case "AWS::Events::Rule.Arn":
		return s.arn("events", "rule/"+name)
	case "AWS::Events::ApiDestination.Arn":
		return s.arn("events", "api-destination/"+name+"/"+uuid(id+s.StackName))
	case "AWS::Events::Connection.Arn":
		return s.arn("events", "connection/"+name+"/"+uuid(id+s.StackName))
	case "AWS::SecretsManager::Secret.Arn":
		return s.arn("secretsmanager", "secret:"+name+"-"+hash(id + s.StackName)[:6])
	default:
		return unknown{}
	}
}

func (r *resolver) typeOf(id string) string { return text(r.body(id)["Type"]) }

func (r *resolver) body(id string) map[string]any {
	body, _ := r.stack.Section("Resources")[id].(map[string]any)
	return body
}

func (r *resolver) groupOf(where, id string) string {
	properties, _ := r.body(id)["Properties"].(map[string]any)
	if group, ok := properties["GroupName"]; ok {
		return r.scalar(where, group)
	}
	return "default"
}

// name is the physical name: the one that the template sets, or one in
// CloudFormation's shape, the same for the same stack and logical id.
func (r *resolver) name(where, id string) string {
	properties, _ := r.body(id)["Properties"].(map[string]any)
	if given, ok := properties[nameProperty[r.typeOf(id)]]; ok {
		if slices.Contains(r.naming, id) {
			r.problems.add(where, "the name of %s depends on itself", id)
			return ""
		}
		r.naming = append(r.naming, id)
		defer func() { r.naming = r.naming[:len(r.naming)-1] }()
		return r.scalar("Resources."+id, given)
	}
	suffix := "-" + hash(r.stack.StackName + "/" + id)[:12]
	head := r.stack.StackName + "-" + id
	longest := cmp.Or(longestName[r.typeOf(id)], 64)
	return head[:min(len(head), longest-len(suffix))] + suffix
}

// longestName is how long a service lets a name be, where that is more than 64.
var longestName = map[string]int{
	"AWS::Logs::LogGroup": 512,
	"AWS::SNS::Topic":     256,
	"AWS::SQS::Queue":     80,
}

func (s *Stack) arn(service, rest string) string {
	return strings.Join([]string{"arn", s.Partition, service, s.Region, s.AccountID, rest}, ":")
}

func (s *Stack) urlSuffix() string {
	if s.Partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base32.StdEncoding.EncodeToString(sum[:])
}

func uuid(text string) string {
	sum := sha256.Sum256([]byte(text))
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
