package mobileconfig

import (
	"strconv"

	"milepost/internal/xmlwriter"
)

// plist writes a property list (Apple's plist 1.0). Keys stand in the order in
// which they are written, so that the same account gives the same bytes.
type plist struct {
	*xmlwriter.Writer
}

func (w plist) string(key, value string) {
	w.Leaf("key", key)
	w.Leaf("string", value)
}

func (w plist) integer(key string, value int) {
	w.Leaf("key", key)
	w.Leaf("integer", strconv.Itoa(value))
}

func (w plist) boolean(key string, value bool) {
	w.Leaf("key", key)
	w.Empty(strconv.FormatBool(value))
}

func (w plist) dict(key string, inside func()) {
	w.Leaf("key", key)
	w.Element("dict", inside)
}

func (w plist) array(key string, inside func()) {
	w.Leaf("key", key)
	w.Element("array", inside)
}
