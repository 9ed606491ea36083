package replay

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the child that holds conversations in virtual time.
func TestMain(m *testing.M) {
	switch os.Getenv(bubbleEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case `"leak"`:
		inBubbles(newWatchdog(), func(bubble func(func())) int {
			bubble(func() { go func() { <-make(chan int) }() })
			return 0
		})
	case `"bad"`:
		inBubbles(newWatchdog(), func(func(func())) int { return 1 })
	default:
		fmt.Fprintln(os.Stderr, (&FaultCmd{}).Run(context.Background(), os.Stdout))
		os.Exit(2)
	}
}
