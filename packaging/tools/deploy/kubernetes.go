package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/yannh/kubeconform/pkg/validator"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// object is one of a manifest.
type object struct {
	file, kind, name string
	text             []byte
}

// into reads an object as what it is.
func (o object) into(v any) error { return yaml.UnmarshalStrict(o.text, v) }

func (o object) mistake(format string, args ...any) error {
	return fmt.Errorf("%s: %s %s: %w", o.file, o.kind, o.name, fmt.Errorf(format, args...))
}

// checkManifests returns all objects, each held to its schema.
func checkManifests(schemas string, files []string) (objects []object, errs []error) {
	v, err := validator.New([]string{filepath.Join(schemas, "{{ .ResourceKind }}{{ .KindSuffix }}.json")}, validator.Opts{Strict: true})
	if err != nil {
		return nil, []error{err}
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, []error{err}
		}
		for _, r := range v.Validate(file, f) {
			if r.Status == validator.Empty {
				continue
			}
			o := object{file: file, text: r.Resource.Bytes}
			if signature, err := r.Resource.Signature(); err == nil {
				o.kind, o.name = signature.Kind, signature.Name
			}
			if r.Status != validator.Valid {
				errs = append(errs, o.mistake("%w", r.Err))
			}
			objects = append(objects, o)
		}
		f.Close()
	}
	if errs == nil {
		errs = checkPods(objects)
	}
	return objects, errs
}

// checkPods holds the pods to the standard "restricted", and what selects them and their
// ports to what they have.
func checkPods(objects []object) (errs []error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return []error{err}
	}
	var pod corev1.PodTemplateSpec
	for _, o := range objects {
		if o.kind != "Deployment" {
			continue
		}
		var d appsv1.Deployment
		if err := o.into(&d); err != nil {
			return []error{o.mistake("%w", err)}
		}
		pod = d.Spec.Template
		restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		if r := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec)); !r.Allowed {
			errs = append(errs, o.mistake("is not restricted: %s", r.ForbiddenDetail()))
		}
		if !selects(d.Spec.Selector.MatchLabels, pod.Labels) {
			errs = append(errs, o.mistake("selects other pods than it makes"))
		}
		errs = append(errs, checkVolumes(o, pod.Spec, objects)...)
	}
	if len(pod.Spec.Containers) == 0 {
		return append(errs, errors.New("there is no Deployment"))
	}
	for _, o := range objects {
		errs = append(errs, checkSelector(o, pod)...)
	}
	return errs
}

// checkVolumes wants ConfigMaps and Secrets that a pod reads to be there.
func checkVolumes(o object, pod corev1.PodSpec, objects []object) (errs []error) {
	want := func(kind, name string) {
		if !slices.ContainsFunc(objects, func(x object) bool { return x.kind == kind && x.name == name }) {
			errs = append(errs, o.mistake("there is no %s %s", kind, name))
		}
	}
	for _, v := range pod.Volumes {
		if v.ConfigMap != nil {
			want("ConfigMap", v.ConfigMap.Name)
		}
	}
	for _, c := range pod.Containers {
		for _, e := range c.Env {
			if from := e.ValueFrom; from != nil && from.SecretKeyRef != nil {
				want("Secret", from.SecretKeyRef.Name)
			}
		}
	}
	return errs
}

// checkSelector wants a Service and a PodDisruptionBudget to select the pods, and a
// Service's ports to lead to named ones of theirs.
func checkSelector(o object, pod corev1.PodTemplateSpec) (errs []error) {
	var labels map[string]string
	switch o.kind {
	case "Service":
		var s corev1.Service
		if err := o.into(&s); err != nil {
			return []error{o.mistake("%w", err)}
		}
		labels = s.Spec.Selector
		for _, p := range s.Spec.Ports {
			if !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(c corev1.ContainerPort) bool {
				return c.Name == p.TargetPort.StrVal && cmp.Or(c.Protocol, corev1.ProtocolTCP) == cmp.Or(p.Protocol, corev1.ProtocolTCP)
			}) {
				errs = append(errs, o.mistake("no container has a port %s for %s", p.TargetPort.StrVal, p.Name))
			}
		}
	case "PodDisruptionBudget", "NetworkPolicy":
		var s struct {
			Spec struct {
				Selector, PodSelector struct{ MatchLabels map[string]string }
			}
		}
		if err := yaml.Unmarshal(o.text, &s); err != nil {
			return []error{o.mistake("%w", err)}
		}
		labels = s.Spec.Selector.MatchLabels
		if o.kind == "NetworkPolicy" {
			labels = s.Spec.PodSelector.MatchLabels
		}
	default:
		return nil
	}
	if !selects(labels, pod.Labels) {
		errs = append(errs, o.mistake("selects no pod of the Deployment"))
	}
	return errs
}

// selects tells whether labels of a selector are all among those of a pod.
func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// extract writes what ConfigMaps hold as files, for others to check.
func extract(objects []object, dir string) (errs []error) {
	for _, o := range objects {
		if o.kind != "ConfigMap" {
			continue
		}
		var m struct{ Data map[string]string }
		text, err := yaml.YAMLToJSON(o.text)
		if err == nil {
			err = json.Unmarshal(text, &m)
		}
		if err != nil {
			return []error{o.mistake("%w", err)}
		}
		for name, content := range m.Data {
			if err := os.MkdirAll(filepath.Join(dir, o.name), 0o755); err != nil {
				return []error{err}
			}
			if err := os.WriteFile(filepath.Join(dir, o.name, name), []byte(content), 0o644); err != nil {
				return []error{err}
			}
		}
	}
	return nil
}
