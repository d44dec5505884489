package cfn

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const functionPrefix = "Fn::"

type (
	// noValue stands for AWS::NoValue until what holds it is removed.
	noValue struct{}
	// unknown stands for what could not be resolved and has been reported.
	unknown struct{}
)

type resolver struct {
	stack    *Stack
	problems *problems
	decided  map[string]bool
	deciding []string        // conditions under way, to see a circle
	naming   []string        // resources whose name is being found, likewise
	kept     map[string]bool // resources that their condition does not leave out
}

func newResolver(s *Stack, p *problems) *resolver {
	r := &resolver{stack: s, problems: p, decided: map[string]bool{}, kept: map[string]bool{}}
	for name := range s.Section("Conditions") {
		r.condition("Conditions."+name, name)
	}
	for id, v := range s.Section("Resources") {
		body, _ := v.(map[string]any)
		r.kept[id] = r.holds("Resources."+id, body)
	}
	return r
}

// holds reports whether the Condition of a resource or an output lets it be.
func (r *resolver) holds(where string, body map[string]any) bool {
	name, ok := body["Condition"].(string)
	return !ok || r.condition(where+".Condition", name)
}

func (r *resolver) resources() {
	section := r.stack.Section("Resources")
	if len(section) == 0 {
		r.problems.add("Resources", "is empty")
	}
	for _, id := range slices.Sorted(maps.Keys(section)) {
		if !r.kept[id] {
			continue
		}
		where := "Resources." + id
		body, ok := section[id].(map[string]any)
		if !ok {
			r.problems.add(where, "is not a mapping")
			continue
		}
		resource := Resource{LogicalID: id, Properties: map[string]any{}}
		for _, key := range slices.Sorted(maps.Keys(body)) {
			v, here := body[key], where+"."+key
			switch key {
			case "Type":
				resource.Type = r.word(here, v)
			case "DeletionPolicy":
				resource.DeletionPolicy = r.scalar(here, v)
			case "UpdateReplacePolicy":
				resource.UpdateReplacePolicy = r.scalar(here, v)
			case "DependsOn":
				resource.DependsOn = r.dependencies(here, v)
			case "Properties":
				resource.Properties = r.mapping(here, v)
			case "Metadata":
				resource.Metadata = r.mapping(here, v)
			case "Condition", "Connectors", "CreationPolicy", "IgnoreGlobals", "UpdatePolicy":
			default:
				r.problems.add(here, "CloudFormation knows no such attribute of a resource")
			}
		}
		r.addGlobals(resource)
		r.stack.Resources[id] = resource
		r.stack.ids[id] = text(r.ref(where, id))
	}
}

// addGlobals merges what the section Globals says for all functions into one, as SAM does: of mappings the keys the
// function does not have, of lists the entries before its own, of anything else only what it lacks.
func (r *resolver) addGlobals(f Resource) {
	if f.Type != "AWS::Serverless::Function" {
		return
	}
	if globals, ok := r.stack.Section("Globals")["Function"]; ok {
		merge(f.Properties, r.mapping("Globals.Function", globals))
	}
}

func merge(into, globals map[string]any) {
	for key, global := range globals {
		own, there := into[key]
		switch own := own.(type) {
		case map[string]any:
			if inner, ok := global.(map[string]any); ok {
				merge(own, inner)
			}
		case []any:
			if inner, ok := global.([]any); ok {
				into[key] = append(slices.Clone(inner), own...)
			}
		default:
			if !there {
				into[key] = global
			}
		}
	}
}

func (r *resolver) outputs() {
	section := r.stack.Section("Outputs")
	for _, name := range slices.Sorted(maps.Keys(section)) {
		where := "Outputs." + name
		body, ok := section[name].(map[string]any)
		if !ok || body["Value"] == nil {
			r.problems.add(where, "has no Value")
			continue
		}
		if r.holds(where, body) {
			r.stack.Outputs[name] = r.resolve(where+".Value", body["Value"])
		}
	}
}

func (r *resolver) dependencies(where string, v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var ids []string
	for _, item := range list {
		id := r.word(where, item)
		if _, ok := r.stack.Section("Resources")[id]; !ok && !r.generated(id) {
			r.problems.add(where, "there is no resource %s", id)
		}
		ids = append(ids, id)
	}
	return ids
}

func (r *resolver) mapping(where string, v any) map[string]any {
	resolved := r.resolve(where, v)
	m, ok := resolved.(map[string]any)
	if !ok && !isUnknown(resolved) {
		r.problems.add(where, "is not a mapping")
	}
	return m
}

// word requires text that needs no resolving.
func (r *resolver) word(where string, v any) string {
	s, ok := v.(string)
	if !ok {
		r.problems.add(where, "must be plain text")
	}
	return s
}

func (r *resolver) resolve(where string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		if name, argument, ok := intrinsic(v); ok {
			return r.call(where, name, argument)
		}
		v = r.unrolled(where, v)
		m := make(map[string]any, len(v))
		for key, inner := range v {
			if resolved := r.resolve(where+"."+key, inner); resolved != (noValue{}) {
				m[key] = resolved
			}
		}
		return m
	case []any:
		list := make([]any, 0, len(v))
		for i, inner := range v {
			if resolved := r.resolve(where+"["+strconv.Itoa(i)+"]", inner); resolved != (noValue{}) {
				list = append(list, resolved)
			}
		}
		return list
	case nil:
		// CloudFormation: "Null values are not allowed in templates".
		r.problems.add(where, "is null")
		return unknown{}
	default:
		return v
	}
}

// unrolled replaces the loops within properties, as AWS::LanguageExtensions does.
func (r *resolver) unrolled(where string, body map[string]any) map[string]any {
	hasLoop := slices.ContainsFunc(slices.Collect(maps.Keys(body)), func(key string) bool {
		return strings.HasPrefix(key, loopPrefix)
	})
	if !hasLoop {
		return body
	}
	out := map[string]any{}
	for key, inner := range body {
		if !strings.HasPrefix(key, loopPrefix) {
			out[key] = inner
			continue
		}
		l, err := r.stack.readLoop(inner)
		if err != nil {
			r.problems.add(where+"."+key, "%v", err)
			continue
		}
		for _, item := range l.list {
			maps.Copy(out, r.unrolled(where, l.body(item)))
		}
	}
	return out
}

// intrinsic reports which function a mapping calls. Condition is one only where a
// condition is wanted: in a policy the word is an ordinary key.
func intrinsic(m map[string]any) (string, any, bool) {
	if len(m) != 1 {
		return "", nil, false
	}
	for key, argument := range m {
		if key == "Ref" || strings.HasPrefix(key, functionPrefix) && !strings.HasPrefix(key, loopPrefix) {
			return key, argument, true
		}
	}
	return "", nil, false
}

func (r *resolver) call(where, name string, argument any) any {
	switch name {
	case "Ref":
		id, ok := argument.(string)
		if !ok {
			r.problems.add(where, "Ref requires a name")
			return unknown{}
		}
		return r.ref(where, id)
	case "Fn::GetAtt":
		return r.getAtt(where, argument)
	case "Fn::Sub":
		return r.sub(where, argument)
	case "Fn::FindInMap":
		return r.findInMap(where, argument)
	case "Fn::If":
		return r.ifElse(where, argument)
	case "Fn::Join":
		return r.join(where, argument)
	case "Fn::Split":
		return r.split(where, argument)
	case "Fn::Select":
		return r.selectOne(where, argument)
	case "Fn::Length":
		resolved := r.resolve(where, argument)
		list, ok := resolved.([]any)
		if !ok && !isUnknown(resolved) {
			r.problems.add(where, "Fn::Length requires a list")
		}
		return len(list)
	case "Fn::Base64":
		return base64.StdEncoding.EncodeToString([]byte(r.scalar(where, argument)))
	case "Fn::ToJsonString":
		return r.toJSON(where, argument)
	case "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or":
		return r.decide(where, map[string]any{name: argument})
	case "Fn::ImportValue", "Fn::GetAZs", "Fn::Cidr", "Fn::Transform":
		return unknown{} // only AWS knows
	default:
		r.problems.add(where, "%s is not a CloudFormation function", name)
		return unknown{}
	}
}

// arguments requires a list of min to max parts.
func (r *resolver) arguments(where, name string, argument any, least, most int) []any {
	list, ok := argument.([]any)
	if !ok || len(list) < least || len(list) > most {
		r.problems.add(where, "%s has the wrong number of parts", name)
		return nil
	}
	return list
}

// scalar resolves to what CloudFormation can write as text.
func (r *resolver) scalar(where string, v any) string {
	resolved := r.resolve(where, v)
	switch resolved.(type) {
	case string, bool, int, float64:
	case unknown:
	default:
		r.problems.add(where, "needs text here")
	}
	return text(resolved)
}

func isUnknown(v any) bool {
	_, ok := v.(unknown)
	return ok
}

func (r *resolver) ref(where, name string) any {
	s := r.stack
	switch name {
	case "AWS::StackName":
		return s.StackName
	case "AWS::Region":
		return s.Region
	case "AWS::AccountId":
		return s.AccountID
	case "AWS::Partition":
		return s.Partition
	case "AWS::URLSuffix":
		return s.urlSuffix()
	case "AWS::StackId":
		return s.arn("cloudformation", "stack/"+s.StackName+"/"+uuid(s.StackName))
	case "AWS::NoValue":
		return noValue{}
	case "AWS::NotificationARNs":
		return unknown{}
	}
	if parameter, ok := s.Parameters[name]; ok {
		return parameter.value(s.Values[name])
	}
	if r.generated(name) || !r.exists(where, name) {
		return unknown{}
	}
	return r.physicalID(where, name)
}

// value is what a Ref to the parameter returns.
func (d Parameter) value(raw string) any {
	switch {
	case d.list():
		var list []any
		for item := range strings.SplitSeq(raw, ",") {
			list = append(list, strings.TrimSpace(item))
		}
		return list
	case d.Type == "Number":
		if n, err := strconv.Atoi(raw); err == nil {
			return n
		}
		n, _ := strconv.ParseFloat(raw, 64)
		return n
	default:
		return raw
	}
}

// generated reports whether SAM makes the resource: CallerEventInvokeConfig of Caller.
func (r *resolver) generated(id string) bool {
	section := r.stack.Section("Resources")
	if _, own := section[id]; own {
		return false
	}
	for other := range section {
		if strings.HasPrefix(id, other) && strings.HasPrefix(r.typeOf(other), "AWS::Serverless::") {
			return true
		}
	}
	return false
}

// exists reports a resource that the template does not have, or that its
// condition leaves out of this stack.
func (r *resolver) exists(where, id string) bool {
	if _, ok := r.stack.Section("Resources")[id]; !ok {
		r.problems.add(where, "there is no parameter or resource %s", id)
		return false
	}
	if !r.kept[id] {
		r.problems.add(where, "%s is left out by its condition", id)
	}
	return r.kept[id]
}

func (r *resolver) getAtt(where string, argument any) any {
	parts := r.arguments(where, "Fn::GetAtt", argument, 2, 2)
	if parts == nil {
		return unknown{}
	}
	id, attribute := r.word(where, parts[0]), r.scalar(where, parts[1])
	if r.generated(id) || !r.exists(where, id) {
		return unknown{}
	}
	return r.attribute(where, id, attribute)
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

func (r *resolver) sub(where string, argument any) any {
	variables := map[string]any{}
	template, plain := argument.(string)
	if !plain {
		parts := r.arguments(where, "Fn::Sub", argument, 2, 2)
		if parts == nil {
			return unknown{}
		}
		template = r.word(where, parts[0])
		var ok bool
		if variables, ok = parts[1].(map[string]any); !ok {
			r.problems.add(where, "the second part of Fn::Sub is not a mapping")
		}
	}
	return placeholder.ReplaceAllStringFunc(template, func(match string) string {
		name := strings.TrimSpace(match[2 : len(match)-1])
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		if v, ok := variables[name]; ok {
			return r.scalar(where+".${"+name+"}", v)
		}
		if id, attribute, ok := strings.Cut(name, "."); ok {
			return r.scalar(where, map[string]any{"Fn::GetAtt": []any{id, attribute}})
		}
		return r.scalar(where, map[string]any{"Ref": name})
	})
}

func (r *resolver) findInMap(where string, argument any) any {
	parts := r.arguments(where, "Fn::FindInMap", argument, 3, 4)
	if parts == nil {
		return unknown{}
	}
	var keys [3]string
	for i := range keys {
		if keys[i] = r.scalar(where, parts[i]); keys[i] == "" {
			return r.fallback(where, parts, keys)
		}
	}
	if v, ok := r.stack.Mappings[keys[0]][keys[1]][keys[2]]; ok {
		return v
	}
	return r.fallback(where, parts, keys)
}

func (r *resolver) fallback(where string, parts []any, keys [3]string) any {
	if len(parts) == 4 {
		options, _ := parts[3].(map[string]any)
		if v, ok := options["DefaultValue"]; ok && len(options) == 1 {
			return r.resolve(where, v)
		}
		r.problems.add(where, "the fourth part of Fn::FindInMap must be DefaultValue")
		return unknown{}
	}
	// A computed key, such as the Region's, may be another one in the stack that counts.
	if _, literal := parts[1].(string); literal {
		r.problems.add(where, "the mapping %s has no %s with %s", keys[0], keys[1], keys[2])
	}
	return unknown{}
}

func (r *resolver) ifElse(where string, argument any) any {
	parts := r.arguments(where, "Fn::If", argument, 3, 3)
	if parts == nil {
		return unknown{}
	}
	if r.condition(where, r.word(where, parts[0])) {
		return r.resolve(where, parts[1])
	}
	return r.resolve(where, parts[2])
}

func (r *resolver) join(where string, argument any) any {
	parts := r.arguments(where, "Fn::Join", argument, 2, 2)
	if parts == nil {
		return unknown{}
	}
	resolved := r.resolve(where, parts[1])
	list, ok := resolved.([]any)
	if !ok && !isUnknown(resolved) {
		r.problems.add(where, "Fn::Join requires a list")
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		texts = append(texts, r.scalar(where, item))
	}
	return strings.Join(texts, r.word(where, parts[0]))
}

func (r *resolver) split(where string, argument any) any {
	parts := r.arguments(where, "Fn::Split", argument, 2, 2)
	if parts == nil {
		return unknown{}
	}
	var list []any
	for item := range strings.SplitSeq(r.scalar(where, parts[1]), r.word(where, parts[0])) {
		list = append(list, item)
	}
	return list
}

func (r *resolver) selectOne(where string, argument any) any {
	parts := r.arguments(where, "Fn::Select", argument, 2, 2)
	if parts == nil {
		return unknown{}
	}
	resolved := r.resolve(where, parts[1])
	if isUnknown(resolved) {
		return resolved
	}
	list, _ := resolved.([]any)
	index, ok := Number(r.resolve(where, parts[0]))
	if !ok || int(index) < 0 || int(index) >= len(list) {
		r.problems.add(where, "Fn::Select finds nothing at that index")
		return unknown{}
	}
	return list[int(index)]
}

func (r *resolver) toJSON(where string, argument any) any {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r.resolve(where, argument)); err != nil {
		r.problems.add(where, "Fn::ToJsonString: %v", err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// condition decides a named condition once.
func (r *resolver) condition(where, name string) bool {
	if decided, ok := r.decided[name]; ok {
		return decided
	}
	body, ok := r.stack.Section("Conditions")[name]
	if !ok {
		r.problems.add(where, "there is no condition %s", name)
		return false
	}
	if slices.Contains(r.deciding, name) {
		r.problems.add(where, "condition %s depends on itself", name)
		return false
	}
	r.deciding = append(r.deciding, name)
	decided := r.decide("Conditions."+name, body)
	r.deciding = r.deciding[:len(r.deciding)-1]
	r.decided[name] = decided
	return decided
}

func (r *resolver) decide(where string, v any) bool {
	m, _ := v.(map[string]any)
	if name, ok := m["Condition"].(string); ok && len(m) == 1 {
		return r.condition(where, name)
	}
	name, argument, _ := intrinsic(m)
	switch name {
	case "Fn::Equals":
		if parts := r.arguments(where, name, argument, 2, 2); parts != nil {
			return r.scalar(where, parts[0]) == r.scalar(where, parts[1])
		}
	case "Fn::Not":
		if parts := r.arguments(where, name, argument, 1, 1); parts != nil {
			return !r.decide(where, parts[0])
		}
	case "Fn::And":
		parts := r.arguments(where, name, argument, 2, 10)
		return parts != nil && !slices.ContainsFunc(parts, func(part any) bool { return !r.decide(where, part) })
	case "Fn::Or":
		parts := r.arguments(where, name, argument, 2, 10)
		return slices.ContainsFunc(parts, func(part any) bool { return r.decide(where, part) })
	default:
		r.problems.add(where, "is not a condition")
	}
	return false
}
