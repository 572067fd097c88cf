package servers

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// nobody returns whom the servers run as when the test runs as root, which
// PostgreSQL and memcached refuse; nil: as the test itself.
func nobody() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// own gives a directory to whom the servers run as.
func own(dir string) error {
	who, err := nobody()
	if err != nil || who == nil {
		return err
	}
	return os.Chown(dir, int(who.Uid), int(who.Gid))
}

// confine has the command run as nobody when the test runs as root.
func confine(cmd *exec.Cmd) error {
	who, err := nobody()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	return err
}
