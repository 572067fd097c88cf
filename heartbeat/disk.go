package heartbeat

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
)

// diskBytes is one page of memory, and one block of most file systems.
const diskBytes = 4 << 10

// Disk exercises the file system that dir is on. It creates a file, writes 4 KiB, reads
// them back, compares them and removes the file. If dir is empty, it is [os.TempDir].
// Nothing is synced to the disk, because a page would not do that either. The Dependency is
// named "disk", so it replaces the one that [Handler] exercises by default.
func Disk(dir string) Dependency {
	return Dependency{name: "disk", run: func(ctx context.Context) error { return writeAndRead(ctx, dir) }}
}

func writeAndRead(ctx context.Context, dir string) (err error) {
	f, err := os.CreateTemp(dir, "autoscale-heartbeat-*") // O_EXCL, mode 0600
	if err != nil {
		return err
	}
	// If the system allows it, the open file is removed before it is used, so that
	// nothing stays behind even if the process is killed here.
	removed := os.Remove(f.Name()) == nil
	defer func() {
		err = errors.Join(err, f.Close())
		if !removed {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()

	wrote := make([]byte, diskBytes)
	rand.Read(wrote)
	if _, err := f.Write(wrote); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil { // files take no context
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	read := make([]byte, diskBytes)
	if _, err := io.ReadFull(f, read); err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	if !bytes.Equal(read, wrote) {
		return errors.New("the disk returned something other than what was written")
	}
	return nil
}
