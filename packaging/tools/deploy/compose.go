package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// checkCompose loads a compose file as engines do: by the schema of the Compose
// Specification, and with everything in it that names something else. Each file that it
// mounts has to be there, but for secrets.
func checkCompose(ctx context.Context, file string) (errs []error) {
	details := types.ConfigDetails{
		WorkingDir:  filepath.Dir(file),
		ConfigFiles: []types.ConfigFile{{Filename: file}},
		Environment: types.Mapping{"VERSION": "1.0.0"},
	}
	project, err := loader.LoadWithContext(ctx, details)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", file, err)}
	}
	for _, s := range project.Services {
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); v.Type == types.VolumeTypeBind && err != nil {
				errs = append(errs, fmt.Errorf("%s: %s mounts what is not there: %w", file, s.Name, err))
			}
		}
		// Postgres changes its user at its start; nobody else needs a right.
		if !strings.Contains(s.Image, "/postgres:") && (!s.ReadOnly || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || len(s.SecurityOpt) == 0) {
			errs = append(errs, fmt.Errorf("%s: %s has rights that it does not need", file, s.Name))
		}
	}
	return errs
}
