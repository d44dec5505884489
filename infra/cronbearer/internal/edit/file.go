package edit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrChanged reports that a file is no longer what was edited.
var ErrChanged = errors.New("the file was changed by someone else meanwhile")

// Replace writes a file whole or not at all, with the mode that it had: a new file next to it takes its place. A
// symbolic link stays, and what it leads to is replaced.
func Replace(path string, before, after []byte) (err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return fmt.Errorf("find the template: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("find the template: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".cronbearer-*")
	if err != nil {
		return fmt.Errorf("write the template: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error says enough
		}
	}()
	_, err = f.Write(after)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the template: %w", err)
	}
	now, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(now, before) {
		err = ErrChanged
	}
	if err != nil {
		return fmt.Errorf("write the template: %w", err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write the template: %w", err)
	}
	return nil
}
