// Command zipsize prints how many bytes a file has in a zip of its own. It is a program apart, as the race detector
// makes the compressor ten times slower.
package main

import (
	"archive/zip"
	"compress/flate"
	"fmt"
	"io"
	"os"
)

func main() {
	size, err := zipped(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size)
}

func zipped(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var packed counter
	z := zip.NewWriter(&packed)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	file, err := z.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := file.Write(text); err != nil {
		return 0, err
	}
	err = z.Close()
	return int64(packed), err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
