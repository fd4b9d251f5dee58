package directory

import "milepost/internal/config"

var loginPresets = map[string]map[config.Kind]string{}
