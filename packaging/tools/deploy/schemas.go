package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// source is a module that ships schemas, with the sum that its content must have.
type source struct{ module, sum, file string }

var (
	kubernetes = source{"k8s.io/kubernetes@v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=", "api/openapi-spec/swagger.json"}
	// The newest of which the proxy has the module itself.
	operator = source{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"}
)

// read downloads the module, if it is not in the cache, and reads its file as JSON.
func (s source) read(into any) error {
	cmd := exec.Command("go", "mod", "download", "-json", s.module)
	cmd.Dir = os.TempDir() // outside of our module, which does not need theirs
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); err != nil || jsonErr != nil {
		return fmt.Errorf("%s cannot be downloaded: %v %s", s.module, err, module.Error)
	}
	if module.Sum != s.sum {
		return fmt.Errorf("%s has the sum %s; %s is allowed", s.module, module.Sum, s.sum)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, s.file))
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}

// writeSchemas writes a JSON schema for each kind, KIND-GROUP-VERSION.json as kubeconform
// wants them.
func writeSchemas(dir string) error {
	var api struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := kubernetes.read(&api); err != nil {
		return err
	}
	for _, d := range api.Definitions {
		closed(d)
	}
	if err := writeJSON(filepath.Join(dir, "definitions.json"), map[string]any{"definitions": api.Definitions}); err != nil {
		return err
	}
	for name, d := range api.Definitions {
		kinds, _ := d["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 { // more have what is the same in all groups
			continue
		}
		k := kinds[0].(map[string]any)
		ref := map[string]any{"$ref": "definitions.json#/definitions/" + name}
		if err := writeJSON(filepath.Join(dir, fileOf(k["group"].(string), k["version"].(string), k["kind"].(string))), ref); err != nil {
			return err
		}
	}
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := operator.read(&crd); err != nil {
		return err
	}
	for _, v := range crd.Spec.Versions {
		schema := v.Schema.OpenAPIV3Schema
		closed(schema)
		schema["properties"].(map[string]any)["metadata"] = map[string]any{"$ref": "definitions.json#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
		if err := writeJSON(filepath.Join(dir, fileOf(crd.Spec.Group, v.Name, crd.Spec.Names.Kind)), schema); err != nil {
			return err
		}
	}
	return nil
}

// fileOf is kubeconform's name of a schema: the group up to its first dot.
func fileOf(group, version, kind string) string {
	group, _, _ = strings.Cut(group, ".")
	name := kind + "-"
	if group != "" {
		name += group + "-"
	}
	return strings.ToLower(name+version) + ".json"
}

// closed lets nothing into objects that their properties do not name, and turns what
// Kubernetes says of numbers that may be texts into what JSON Schema says.
func closed(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, v := range s {
			closed(v)
		}
	case map[string]any:
		format, _ := s["format"].(string)
		if orText, _ := s["x-kubernetes-int-or-string"].(bool); orText || format == "int-or-string" {
			delete(s, "format")
			s["type"] = []any{"integer", "string"}
		}
		if _, named := s["properties"].(map[string]any); named && s["additionalProperties"] == nil {
			s["additionalProperties"] = false
		}
		for _, v := range s {
			closed(v)
		}
	}
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
