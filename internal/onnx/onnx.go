// Package onnx runs neural models on ONNX Runtime, a library that is opened when the program runs: the
// build needs neither it nor its headers.
//
// One environment serves the process ([Open]), one [Session] a model serves every call, and each run uses
// one thread: a second one gains little alone and loses much when several calls are live. What belongs to
// one run is in its tensors. Nothing here knows what the models mean.
package onnx

import (
	"errors"
	"fmt"
	"os"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrNotOpen is returned for a model that is loaded before [Open] has succeeded.
var ErrNotOpen = errors.New("onnx runtime is not open")

// process is the one environment that the library allows a process to have.
var process struct {
	sync.Mutex
	library string
}

// Open opens the library at path (libonnxruntime.so) for the whole process, with its telemetry switched
// off. Opening the same path again does nothing; a second path is an error. Safe for concurrent use.
func Open(path string) error {
	process.Lock()
	defer process.Unlock()
	if process.library != "" {
		if path != process.library {
			return fmt.Errorf("open onnx runtime %s: %s is already open in this process", path, process.library)
		}
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("open onnx runtime: %w", err)
	}
	if err := os.Setenv("ORT_DISABLE_TELEMETRY", "1"); err != nil { // newer builds report home unless told before they load
		return fmt.Errorf("open onnx runtime: %w", err)
	}
	ort.SetSharedLibraryPath(path)
	quiet := ort.WithLogLevelFatal() // what fails is returned as an error; a stopped run would be logged as one
	if err := ort.InitializeEnvironment(quiet); err != nil {
		return fmt.Errorf("open onnx runtime %s (version 1.24 or later is needed): %w", path, err)
	}
	process.library = path
	return nil
}

// Version is the version of the open library, empty before [Open].
func Version() string {
	process.Lock()
	defer process.Unlock()
	if process.library == "" {
		return ""
	}
	return ort.GetVersion()
}
