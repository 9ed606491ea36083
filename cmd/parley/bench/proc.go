package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of processor time in /proc: USER_HZ, 100 on every Linux that Go knows.
const tick = 10 * time.Millisecond

// usage is what a process has used and holds.
type usage struct {
	name   string
	parent int
	cpu    time.Duration // user and system
	rss    int64         // bytes
}

// process reads /proc/PID/stat.
func process(pid int) (usage, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read process: %w", err)
	}
	u, err := parseStat(string(b))
	if err != nil {
		return usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return u, nil
}

// parseStat takes the name, fields 4, 14, 15 and 24 of proc(5)'s stat. The name may hold spaces and brackets.
func parseStat(s string) (usage, error) {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return usage{}, fmt.Errorf("no name in %.80q", s)
	}
	rest := strings.Fields(s[end+1:]) // from field 3 on
	if len(rest) < 22 {
		return usage{}, fmt.Errorf("%d fields in %.80q", len(rest)+2, s)
	}
	var v [4]int64
	for i, n := range [...]int{4, 14, 15, 24} {
		var err error
		if v[i], err = strconv.ParseInt(rest[n-3], 10, 64); err != nil {
			return usage{}, fmt.Errorf("field %d: %w", n, err)
		}
	}
	return usage{name: s[open+1 : end], parent: int(v[0]), cpu: time.Duration(v[1]+v[2]) * tick, rss: v[3] * int64(os.Getpagesize())}, nil
}

// children adds up the children of a process that live now, by name.
func children(pid int) map[string]usage {
	all := map[string]usage{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil { // the pattern is right
		return all
	}
	for _, d := range dirs {
		n, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		if u, err := process(n); err == nil && u.parent == pid {
			sum := all[u.name]
			all[u.name] = usage{name: u.name, parent: pid, cpu: sum.cpu + u.cpu, rss: sum.rss + u.rss}
		}
	}
	return all
}

// self is the processor time of this process.
func self() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
