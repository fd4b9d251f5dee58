package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// label is a label with all values that it can have.
type label struct {
	name   string
	values []string
}

// counter has a cell for each combination of its labels' values.
type counter struct {
	desc   *prometheus.Desc
	labels []label
	cells  []atomic.Uint64
}

func newCounter(name, help string, labels ...label) counter {
	names, size := make([]string, len(labels)), 1
	for i, l := range labels {
		names[i] = l.name
		size *= len(l.values)
	}
	return counter{prometheus.NewDesc(namespace+name, help, names, nil), labels, make([]atomic.Uint64, size)}
}

// add counts one in a cell: cells lie in the order of the labels' values, those of the
// last label side by side.
func (c *counter) add(cell int) { c.cells[cell].Add(1) }

// collect sends a metric for each cell; without zeros unless all are wanted.
func (c *counter) collect(to chan<- prometheus.Metric, all bool) {
	values := make([]string, len(c.labels))
	for cell := range c.cells {
		n := c.cells[cell].Load()
		if n == 0 && !all {
			continue
		}
		for i, rest := len(values)-1, cell; i >= 0; i-- {
			of := c.labels[i].values
			values[i], rest = of[rest%len(of)], rest/len(of)
		}
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(n), values...)
	}
}
