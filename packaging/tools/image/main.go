// Command image makes an OCI archive of milepost for several architectures, without a
// container engine: the binary, certificate authorities, a user without rights, and
// nothing else.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is the one that images without a user of their own commonly call nonroot.
const user = 65532

// authorities is what Debian's package ca-certificates makes.
const authorities = "/etc/ssl/certs/ca-certificates.crt"

type options struct {
	out, version, commit, share string
	date                        int64
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", "milepost-oci.tar", "the archive")
	flag.StringVar(&o.version, "version", "", "of milepost")
	flag.StringVar(&o.commit, "commit", "", "of its sources")
	flag.StringVar(&o.share, "share", "", "where packaging/build put configuration and licences")
	flag.Int64Var(&o.date, "date", 0, "of all files, in seconds since 1970")
	flag.Parse()
	if err := run(o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// run makes an archive of binaries, given as ARCHITECTURE=FILE.
func run(o options, binaries []string) error {
	if len(binaries) == 0 {
		return errors.New("a binary is needed, as amd64=FILE")
	}
	date := time.Unix(o.date, 0).UTC()
	files, err := rootFiles(o.share)
	if err != nil {
		return err
	}
	base, err := layer(date, files)
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		arch, path, ok := strings.Cut(b, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCHITECTURE=FILE", b)
		}
		image, err := o.image(arch, path, date, base)
		if err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The layout's own index names one image index, as engines expect it under a tag.
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := p.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "latest"})); err != nil {
		return err
	}
	return archive(o.out, dir, date)
}

// image has two layers: what seldom changes, and the binary.
func (o options) image(arch, path string, date time.Time, base v1.Layer) (v1.Image, error) {
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	binary, err := layer(date, []file{{name: "usr/bin/milepost", mode: 0o755, content: program}})
	if err != nil {
		return nil, err
	}
	history := func(what string) v1.History {
		return v1.History{Created: v1.Time{Time: date}, CreatedBy: "packaging/build", Comment: what}
	}
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{Layer: base, History: history("files"), MediaType: types.OCILayer},
		mutate.Addendum{Layer: binary, History: history("milepost"), MediaType: types.OCILayer})
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		"org.opencontainers.image.title":       "milepost",
		"org.opencontainers.image.description": "Tells mail programs their settings",
		"org.opencontainers.image.version":     o.version,
		"org.opencontainers.image.revision":    o.commit,
		"org.opencontainers.image.created":     date.Format(time.RFC3339),
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: date}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", user, user),
		Entrypoint: []string{"/usr/bin/milepost"},
		Cmd:        []string{"serve", "-config", "/etc/milepost/milepost.toml"},
		// Loopback, the default, is reached by nobody outside of the container. A variable, so
		// that a configuration of one's own need not say it.
		Env:          []string{"PATH=/usr/bin", "MILEPOST_HTTP_LISTEN=:8080"},
		WorkingDir:   "/",
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Volumes:      map[string]struct{}{"/var/lib/milepost": {}},
		Labels:       labels,
		StopSignal:   "SIGTERM",
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, labels).(v1.Image), nil
}

// file is a file of the image, or a directory where there is no content.
type file struct {
	name    string
	mode    int64
	owner   int
	content []byte
}

func rootFiles(share string) ([]file, error) {
	read := func(name, from string) (file, error) {
		content, err := os.ReadFile(from)
		return file{name: name, mode: 0o644, content: content}, err
	}
	roots, err1 := read(authorities[1:], authorities)
	config, err2 := read("etc/milepost/milepost.toml", filepath.Join(share, "milepost.toml"))
	licences, err3 := read("usr/share/doc/milepost/licences.gz", filepath.Join(share, "licences.gz"))
	return []file{
		roots, config, licences,
		{name: "etc/passwd", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:0::/:/sbin/nologin\nmilepost:x:%d:%d::/var/lib/milepost:/sbin/nologin\n", user, user)},
		{name: "etc/group", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\nmilepost:x:%d:\n", user)},
		{name: "etc/milepost/providers", mode: 0o755},
		{name: "var/lib/milepost", mode: 0o700, owner: user},
	}, errors.Join(err1, err2, err3)
}

// layer is a compressed archive of files, with the directories above them.
func layer(date time.Time, files []file) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{".": true}
	var add func(f file) error
	add = func(f file) error {
		if parent := filepath.Dir(f.name); !made[parent] {
			if err := add(file{name: parent, mode: 0o755}); err != nil {
				return err
			}
		}
		h := &tar.Header{Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, ModTime: date, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		if f.content == nil {
			made[f.name] = true
			h.Name, h.Typeflag = f.name+"/", tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := w.Write(f.content)
		return err
	}
	for _, f := range files {
		if err := add(f); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// archive writes a directory as a tar file, in the order of names.
func archive(out, dir string, date time.Time) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return w.WriteHeader(&tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: date})
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content)), ModTime: date}); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	return errors.Join(err, w.Close(), f.Close())
}
