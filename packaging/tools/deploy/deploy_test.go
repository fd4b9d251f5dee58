package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is shipped holds; each change to it is found.
func TestRun(t *testing.T) {
	const manifest, monitor, three = "kubernetes/milepost.yaml", "kubernetes/optional/servicemonitor.yaml", "compose/three/compose.yaml"
	schemas := t.TempDir()
	if err := writeSchemas(schemas); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name           string
		file, old, new string
		want           string // empty: it holds
	}{
		{"as it is", manifest, "replicas: 3", "replicas: 5", ""},
		{"an unknown field", manifest, "replicas: 3", "replica: 3", "additional properties 'replica' not allowed"},
		{"a text for a number", manifest, "replicas: 3", `replicas: "3"`, "got string, want integer"},
		{"no selector", manifest, "  selector:\n    matchLabels: {app.kubernetes.io/name: milepost}\n  strategy", "  strategy", "missing property 'selector'"},
		{"an old version", manifest, "policy/v1", "policy/v1beta1", "could not find schema for PodDisruptionBudget"},
		{"an unknown field of the monitor", monitor, "jobLabel", "job", "additional properties 'job' not allowed"},
		{"a pod that may be root", manifest, "runAsNonRoot: true", "runAsNonRoot: false", "is not restricted"},
		{"a pod with capabilities", manifest, "drop: [ALL]", "drop: [NET_RAW]", "is not restricted"},
		{"a service without pods", manifest, "  selector: {app.kubernetes.io/name: milepost}", "  selector: {app: milepost}", "Service milepost: selects no pod"},
		{"a service of no port", manifest, "targetPort: https", "targetPort: tls", "no container has a port tls for https"},
		{"a service of the other protocol", manifest, "targetPort: dns-udp, protocol: UDP", "targetPort: dns-udp", "no container has a port dns-udp"},
		{"a budget without pods", manifest, "  maxUnavailable: 1\n  selector:\n    matchLabels: {app", "  maxUnavailable: 1\n  selector:\n    matchLabels: {x", "PodDisruptionBudget milepost: selects no pod"},
		{"a policy without pods", manifest, "podSelector:\n    matchLabels: {app", "podSelector:\n    matchLabels: {x", "NetworkPolicy milepost: selects no pod"},
		{"another pod than is made", manifest, "      labels: {app.kubernetes.io/name: milepost}\n    spec", "      labels: {app.kubernetes.io/name: other}\n    spec", "selects other pods than it makes"},
		{"no ConfigMap", manifest, "configMap: {name: milepost}", "configMap: {name: other}", "there is no ConfigMap other"},
		{"no Secret", manifest, "secretKeyRef: {name: milepost, key: cookie-secret}", "secretKeyRef: {name: other, key: cookie-secret}", "there is no Secret other"},
		{"compose: an unknown field", three, "stop_grace_period", "grace", "grace false schema"},
		{"compose: no such network", three, "networks: [front, back]", "networks: [middle]", "undefined network middle"},
		{"compose: no such service", three, "depends_on: [milepost-1", "depends_on: [milepost-4", `depends on undefined service "milepost-4"`},
		{"compose: no such file", three, "./haproxy.cfg:", "./absent.cfg:", "haproxy mounts what is not there"},
		{"compose: a file that can be written", three, "  read_only: true\n", "", "has rights that it does not need"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"kubernetes", "compose"} {
				if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join("../..", name))); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, tc.file)
			text, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(text), tc.old) {
				t.Fatalf("%v; %s has no %q", err, tc.file, tc.old)
			}
			if err := os.WriteFile(path, []byte(strings.Replace(string(text), tc.old, tc.new, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			err = run(t.Context(), schemas, options{kubernetes: filepath.Join(dir, "kubernetes"), compose: filepath.Join(dir, "compose"), extract: filepath.Join(dir, "extracted")}, io.Discard)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}
