package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	fetch "parley/cmd/parley/models"
	"parley/cmd/parley/serve"
	"parley/internal/models"
	"parley/internal/onnx"
	"parley/web/page"
)

// patient is what is looked at: this computer, and what serve would be asked to do on it.
type patient struct {
	network serve.Network
	engines serve.Engines
	quick   bool
	needs   serve.Needs // once the engines' names are known to be right
	parts   serve.Parts // once they are open
	heard   sentence    // once the voice has spoken
	world
}

// world is what the checks ask; tests answer something else.
type world struct {
	system  string // as linux/amd64
	cores   int
	memory  func() int64 // bytes available; −1: unknown
	disk    func(dir string) (int64, error)
	size    func(file string) (int64, error)
	missing func(dir string, want models.Set) []models.File
	verify  func(ctx context.Context, dir string, want models.Set) error
	runtime func(library string) (version string, err error)
	program func(ctx context.Context, path string) (version string, err error)
	listen  func(network, addr string) error // takes the address and lets it go
	echo    func(ctx context.Context) (time.Duration, error)
	page    func() bool
	open    func(ctx context.Context, e serve.Engines, log *slog.Logger) (serve.Parts, func(), error)
}

// here is this computer.
func here() world {
	return world{
		system: runtime.GOOS + "/" + runtime.GOARCH, cores: runtime.NumCPU(),
		memory: fetch.Available, disk: freeDisk, size: fileSize,
		missing: models.Missing, verify: models.Verify,
		runtime: openRuntime, program: version,
		listen: listen, echo: echo, page: page.Built,
		open: func(ctx context.Context, e serve.Engines, log *slog.Logger) (serve.Parts, func(), error) {
			return e.Open(ctx, log)
		},
	}
}

// freeDisk is how many bytes there are room for on the disk of dir, which need not be there yet.
func freeDisk(dir string) (int64, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, err
	}
	for {
		var s syscall.Statfs_t
		err := syscall.Statfs(dir, &s)
		if err == nil {
			return int64(s.Bavail) * s.Bsize, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return 0, fmt.Errorf("ask for the disk space of %s: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

func fileSize(file string) (int64, error) {
	fi, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func openRuntime(library string) (string, error) {
	if err := onnx.Open(library); err != nil {
		return "", err
	}
	return onnx.Version(), nil
}

// programTime is how long a program may take to tell its version.
const programTime = 10 * time.Second

// version runs a program only to hear its version. The error has what it said.
func version(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, programTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	if dir := filepath.Dir(path); dir != "." {
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Trim(dir+":"+os.Getenv("LD_LIBRARY_PATH"), ":"))
	}
	said, err := cmd.CombinedOutput()
	line, _, _ := bytes.Cut(bytes.TrimSpace(said), []byte("\n"))
	if err != nil && len(line) > 0 {
		return "", fmt.Errorf("%w: %s", err, line)
	}
	return string(line), err
}

func listen(network, addr string) error {
	if network == "udp" {
		c, err := net.ListenPacket(network, addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// echoTime is how long a datagram may take from a socket of this computer to another and back.
const echoTime = time.Second

// echo sends a datagram to another socket of this computer, which sends it back.
func echo(ctx context.Context) (took time.Duration, err error) {
	var sockets [2]net.PacketConn
	for i := range sockets {
		var c net.ListenConfig
		if sockets[i], err = c.ListenPacket(ctx, "udp", "127.0.0.1:0"); err != nil {
			return 0, err
		}
		defer sockets[i].Close()
		if err := sockets[i].SetDeadline(time.Now().Add(echoTime)); err != nil {
			return 0, err
		}
	}
	near, far := sockets[0], sockets[1]
	began := time.Now()
	buf := make([]byte, 64)
	if _, err := near.WriteTo([]byte("parley"), far.LocalAddr()); err != nil {
		return 0, err
	}
	n, from, err := far.ReadFrom(buf)
	if err != nil {
		return 0, err
	}
	if _, err := far.WriteTo(buf[:n], from); err != nil {
		return 0, err
	}
	if n, _, err = near.ReadFrom(buf); err != nil {
		return 0, err
	}
	if string(buf[:n]) != "parley" {
		return 0, errors.New("what came back is not what was sent")
	}
	return time.Since(began), nil
}
