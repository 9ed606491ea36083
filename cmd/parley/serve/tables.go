package serve

// How many callers a core carries: with engines that cost it next to nothing, and with those that compute
// on it.
const (
	light = 200
	heavy = 0.5 // a local language model: one conversation on two cores
)

// quiet is a Close that cannot fail, as onClose takes it.
func quiet(f func()) func() error {
	return func() error {
		f()
		return nil
	}
}
