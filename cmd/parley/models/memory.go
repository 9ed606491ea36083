package models

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"parley/internal/models"
)

// largeNeeds is the memory that must be available for the large language model: 2.1 GB for its server,
// half a GB for us, and room for the rest of the computer.
const largeNeeds = 4_000_000_000

// Choose picks the language model that fits into the memory that is available now and says why in one
// sentence.
func Choose() (set models.Set, why string) { return choose(Available()) }

func choose(free int64) (models.Set, string) {
	switch {
	case free < 0:
		return models.Small, "Using the small language model: cannot tell how much memory is available."
	case free < largeNeeds:
		return models.Small, fmt.Sprintf("Using the small language model: %s of memory is available, the large one wants about %s.", gb(free), gb(largeNeeds))
	default:
		return models.Large, fmt.Sprintf("Using the large language model: %s of memory is available, it wants about %s.", gb(free), gb(largeNeeds))
	}
}

// Available is how many bytes of memory this process could still take: what the kernel calls available,
// or what the limits of its control groups leave, whichever is less; −1 if that cannot be found out.
func Available() int64 { return available(os.DirFS("/")) }

func available(root fs.FS) int64 {
	free := int64(math.MaxInt64)
	if kb, ok := field(root, "proc/meminfo", "MemAvailable:"); ok {
		free = kb * 1024
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup") // none without control groups
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[1] == "": // version 2
			free = min(free, limit(root, "sys/fs/cgroup", parts[2], "memory.max", "memory.current", "inactive_file"))
		case strings.Contains(","+parts[1]+",", ",memory,"):
			free = min(free, limit(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
		}
	}
	if free == math.MaxInt64 {
		return -1
	}
	return free
}

// limit is what the control group and those above it leave. Pages of files that are not in use can be
// had back and do not count.
func limit(root fs.FS, mount, group, most, used, cache string) int64 {
	free := int64(math.MaxInt64)
	for dir := path.Join("/", group); ; dir = path.Dir(dir) {
		at := mount + dir
		if top, ok := number(root, path.Join(at, most)); ok {
			now, _ := number(root, path.Join(at, used))
			back, _ := field(root, path.Join(at, "memory.stat"), cache)
			free = min(free, max(0, top-now+back))
		}
		if dir == "/" {
			return free
		}
	}
}

func number(root fs.FS, name string) (int64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is no number
	return n, err == nil
}

// field finds the number after the first word key in a file of lines.
func field(root fs.FS, name, key string) (int64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

func gb(n int64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

func mb(n int64) int64 { return (n + 500_000) / 1_000_000 }
