// Package browser starts a headless Chromium for tests, with a WAV file as its microphone. The flags make
// WebRTC work over the loopback alone: what they do and why is in the comments beside them.
package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Name is the program that is started, from PATH.
const Name = "chromium"

// stopTime is how long a browser may take to end before it is killed.
const stopTime = 10 * time.Second

// Start starts a browser for the length of a test and returns the context of its first tab, for the
// functions of package chromedp. The microphone plays wavFile over and over (16 or 48 kHz); with an empty
// name there is no microphone at all. extra options come last and so replace the flags of the same name.
// It ends the test if the browser or the file is missing: Chromium itself takes a missing file for silence.
func Start(t testing.TB, wavFile string, extra ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	options := flags()
	if wavFile != "" {
		options = append(options, microphone(t, wavFile)...)
	}
	path, err := exec.LookPath(Name)
	if err != nil {
		t.Fatalf("start a browser: %v (install Debian's package chromium)", err)
	}
	options = append(options, chromedp.ExecPath(path))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, extra...)...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		defer stop() // waits for the process and removes its folder
		defer cancel()
		limit, done := context.WithTimeout(ctx, stopTime)
		defer done()
		if err := chromedp.Cancel(limit); err != nil {
			t.Logf("stop the browser: %v", err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// flags are those of every browser.
func flags() []chromedp.ExecAllocatorOption {
	list := []chromedp.ExecAllocatorOption{chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.NoSandbox, chromedp.DisableGPU}
	for _, name := range []string{
		// Nothing of its own on the network.
		"disable-background-networking", "disable-component-update", "disable-sync", "disable-quic",
		"disable-default-apps", "disable-extensions", "disable-client-side-phishing-detection", "disable-breakpad",
		"metrics-recording-only",
		// A tab in the background runs as fast as one in front.
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
		"disable-dev-shm-usage", // in containers it is small
		"mute-audio",            // the machine's speaker, not what WebRTC plays
		"use-fake-ui-for-media-stream",
		"allow-loopback-in-peer-connection",
	} {
		list = append(list, chromedp.Flag(name, true))
	}
	for name, value := range map[string]string{
		"autoplay-policy":           "no-user-gesture-required",
		"force-color-profile":       "srgb",
		"webrtc-ip-handling-policy": "default_public_interface_only", // or it picks an address that is not the loopback
		// The last such flag replaces the ones before: the list must be whole. Hidden addresses would need mDNS.
		"disable-features": "WebRtcHideLocalIpsWithMdns,Translate,BlinkGenPropertyTrees,MediaRouter,OptimizationHints",
	} {
		list = append(list, chromedp.Flag(name, value))
	}
	return list
}

// microphone are the flags that make a file the microphone.
func microphone(t testing.TB, wavFile string) []chromedp.ExecAllocatorOption {
	t.Helper()
	path, err := filepath.Abs(wavFile)
	if err != nil {
		t.Fatalf("find the microphone's file: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() <= 44 {
		t.Fatalf("open the microphone's file %s: missing or without samples (%v)", path, err)
	}
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-audio-capture", path),
	}
}
