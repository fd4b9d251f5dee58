package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
)

// Origin is where a value comes from. The zero one is the default.
type Origin struct {
	File string
	Line int
	// Name is that of a variable of the environment, as MILEPOST_LOG_LEVEL, or of an
	// option of the command line, as -http.
	Name string
}

func (o Origin) String() string {
	switch {
	case o == Origin{}:
		return "default"
	case o.Name != "":
		return o.Name
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Origin tells where the value of a setting comes from, by its name as "http.listen";
// or where a table of the file begins.
func (c *Config) Origin(name string) Origin { return c.origins[name] }

// Has tells whether a setting or a table was set anywhere.
func (c *Config) Has(name string) bool { return c.origins[name] != Origin{} }

// Mistake is a mistake in the value of a setting, with its place: where it is set, else
// where its table begins; without a file, the setting itself.
func (c *Config) Mistake(name string, err error) textfile.Error {
	table, _, _ := strings.Cut(name, ".")
	switch o := cmp.Or(c.origins[name], c.origins[table]); {
	case o.Name != "":
		return textfile.Error{File: o.Name, Err: err}
	case o.File != "":
		return textfile.Error{File: o.File, Line: o.Line, Key: name, Err: err}
	case c.File == "":
		return textfile.Error{File: name, Err: err}
	default:
		return textfile.Error{File: c.File, Key: name, Err: err}
	}
}

// VariablePrefix begins the names of the environment's variables: MILEPOST_HTTP_LISTEN is
// http.listen.
const VariablePrefix = "MILEPOST_"

// FileVariable names milepost.toml where no option does; empty, it says that there is
// none.
const FileVariable = VariablePrefix + "CONFIG"

// Variable is the name of the variable that sets the setting.
func (s *Setting) Variable() string {
	return VariablePrefix + strings.ToUpper(s.Table+"_"+s.Key)
}

func (c *Config) readEnvironment(all []*Setting, environ []string) (errs textfile.Errors) {
	known := map[string]*Setting{}
	var lower []string
	for _, s := range all {
		known[s.Variable()] = s
		lower = append(lower, strings.ToLower(s.Variable()))
	}
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, VariablePrefix) || name == FileVariable {
			continue
		}
		s := known[name]
		switch {
		case s == nil && kubernetes(name):
		case s == nil:
			why := "is unknown; 'milepost config -example' names what can be set"
			if meant := tomlfile.Closest(strings.ToLower(name), lower); meant != "" {
				why = fmt.Sprintf("is unknown; did you mean %s?", strings.ToUpper(meant))
			}
			c.Warnings = append(c.Warnings, textfile.Error{File: name, Err: errors.New(why)})
		case s.Name() == "service.host" && isIP(value):
			// Kubernetes sets it for a service of the name milepost.
			c.Warnings = append(c.Warnings, textfile.Error{File: name, Err: fmt.Errorf("is an IP address, and passed over: a host name is needed")})
		default:
			c.origins[s.Name()] = Origin{Name: name}
			if err := s.set(c, value); err != nil {
				errs = append(errs, c.Mistake(s.Name(), err))
			}
		}
	}
	return errs
}

// kubernetes tells whether it sets the variable for services whose names begin with
// milepost: MILEPOST_SERVICE_PORT, MILEPOST_PORT_80_TCP and the like.
func kubernetes(name string) bool {
	return strings.Contains(name, "_SERVICE_PORT") || strings.HasSuffix(name, "_SERVICE_HOST") || strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_PORT_")
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func (c *Config) readOptions(all []*Setting, options []Option) (errs textfile.Errors) {
	for _, o := range options {
		i := slices.IndexFunc(all, func(s *Setting) bool { return s.Name() == o.Setting })
		if i < 0 {
			continue // ParseOption has refused it
		}
		s, origin := all[i], Origin{Name: "-" + o.Flag}
		set := s.set
		if s.add != nil && c.origins[s.Name()] == origin {
			set = s.add // the option is given several times
		}
		c.origins[s.Name()] = origin
		if err := set(c, o.Value); err != nil {
			errs = append(errs, c.Mistake(s.Name(), err))
		}
	}
	return errs
}

// ParseOption reads the value of an option of the command line that sets a setting.
func ParseOption(flag string, s *Setting, value string) (Option, error) {
	return Option{flag, s.Name(), value}, s.set(defaults(), value)
}

// ParseSet reads TABLE.KEY=VALUE.
func ParseSet(text string) (Option, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return Option{}, fmt.Errorf("is no TABLE.KEY=VALUE; http.listen=:80, say, is allowed")
	}
	all := Settings()
	names := make([]string, len(all))
	for i, s := range all {
		if names[i] = s.Name(); names[i] == name {
			return ParseOption("set "+name, s, value)
		}
	}
	if meant := tomlfile.Closest(name, names); meant != "" {
		return Option{}, fmt.Errorf("%s is unknown; did you mean %s?", name, meant)
	}
	return Option{}, fmt.Errorf("%s is unknown; 'milepost config -example' names what can be set", name)
}
