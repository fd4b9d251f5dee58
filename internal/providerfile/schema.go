package providerfile

import (
	"bytes"
	"encoding/json"
	"strings"
)

// tagPattern is what a key looks like that may be a language tag (RFC 5646 §2.1).
const tagPattern = "^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$"

type object = map[string]any

// Schema is a JSON Schema (draft 7, which editors of TOML know) of a provider's file. It
// refuses nothing that the reader takes; the reader refuses more.
func Schema() []byte {
	tables := Tables()
	root := tables[0].schema()
	properties := root["properties"].(object)
	for _, t := range tables[1:] {
		in, name := properties, t.Name
		if outer, inner, ok := strings.Cut(name, "."); ok {
			in, name = properties[outer].(object)["items"].(object)["properties"].(object), inner
		}
		in[name] = t.schema()
		if t.Array {
			in[name] = object{"type": "array", "description": t.Doc, "items": t.schema()}
		}
	}
	for _, servers := range []string{"incoming", "outgoing", "setup"} {
		properties[servers].(object)["maxItems"] = maxServers
	}
	properties["enable"].(object)["items"].(object)["required"] = []string{"text"}
	policy := properties["mta_sts"].(object)
	policy["if"], policy["else"] = has("mode", "none"), object{"required": []string{"mx"}}

	root["$schema"], root["title"] = "http://json-schema.org/draft-07/schema#", "a provider of milepost"
	required := func(key string) object { return object{"required": []string{key}} }
	root["if"] = has("no_mail_programs", true)
	root["then"] = object{"not": object{"anyOf": []object{required("incoming"), required("outgoing"), required("setup")}}}
	root["else"] = object{"required": []string{"incoming", "outgoing"}, "properties": object{"incoming": object{"minItems": 1}, "outgoing": object{"minItems": 1}}}
	root["not"] = object{"required": []string{"autodiscover_redirect_url", "autodiscover_redirect_address"}}

	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // of strings, numbers, lists and maps alone
	}
	return b.Bytes()
}

func has(key string, value any) object {
	return object{"required": []string{key}, "properties": object{key: object{"const": value}}}
}

func (t Table) schema() object {
	properties, required := object{}, []string{}
	for _, k := range t.Keys {
		properties[k.Name] = k.schema()
		if k.Required {
			required = append(required, k.Name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	if t.Doc != "" {
		s["description"] = t.Doc
	}
	if t.Texts {
		s["patternProperties"] = object{tagPattern: object{"type": "string", "minLength": 1}}
		s["minProperties"] = len(required) + 1
	}
	return s
}

func (k Key) schema() object {
	s := object{"type": "string", "description": k.Doc}
	values := s // where the words stand
	switch k.Type {
	case Strings:
		values = object{"type": "string"}
		s["type"], s["items"] = "array", values
		if k.Values != nil {
			s["minItems"], s["uniqueItems"] = 1, true
		}
	case Integer:
		s["type"], s["minimum"], s["maximum"] = "integer", k.least, k.most
	case Boolean:
		s["type"] = "boolean"
	case Date:
		s["format"] = "date"
	default:
		if k.most > 0 {
			s["minLength"], s["maxLength"] = k.least, k.most
		}
	}
	if k.Values != nil {
		values["enum"] = k.Values
	}
	if k.pattern != "" {
		s["pattern"] = k.pattern
	}
	return s
}
