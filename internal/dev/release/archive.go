package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file of an archive.
type entry struct {
	name       string
	from       string // a file, or
	text       string // its content
	executable bool
}

func (e entry) content() ([]byte, error) {
	if e.from == "" {
		return []byte(e.text), nil
	}
	return os.ReadFile(e.from)
}

func (e entry) mode() os.FileMode {
	if e.executable {
		return 0o755
	}
	return 0o644
}

// epoch is the time of every file in an archive: the first that zip can express. The bytes of an archive depend on its
// content alone, and Lambda ignores the time.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack writes an archive in the format that its name ends with, .zip or .tar.gz.
func pack(path string, entries ...entry) (err error) {
	file, err := os.Create(path) // #nosec G304: in our output
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	write := packTar
	if strings.HasSuffix(path, ".zip") {
		write = packZip
	}
	if err := write(file, entries); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

func packZip(w io.Writer, entries []entry) error {
	archive := zip.NewWriter(w)
	for _, e := range entries {
		data, err := e.content()
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: epoch}
		header.SetMode(e.mode())
		to, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := to.Write(data); err != nil {
			return err
		}
	}
	return archive.Close()
}

func packTar(w io.Writer, entries []entry) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	for _, e := range entries {
		data, err := e.content()
		if err != nil {
			return err
		}
		header := &tar.Header{
			Name: e.name, Mode: int64(e.mode()), Size: int64(len(data)), ModTime: epoch, Format: tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}
