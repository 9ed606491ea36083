package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley/internal/models"
)

// checks look without opening anything, in this order.
var checks = []check{
	{"engines", engineNames},
	{"computer", computer},
	{"models", modelFiles},
	{"disk", diskSpace},
	{"onnx runtime", runtimeLibrary},
	{"espeak-ng", espeak},
	{"llama-server", llamaServer},
	{"memory", memory},
	{"page", pageBuilt},
	{"page's port", pagePort},
	{"audio port", audioPort},
	{"loopback", loopback},
	{"https", https},
	{"callers", callers},
}

func engineNames(_ context.Context, p *patient) Finding {
	n, err := p.engines.Needs()
	if err != nil {
		return fail(strings.ReplaceAll(err.Error(), "\n", "; "), "give the flag another value; 'parley serve --help' explains them")
	}
	p.needs = n
	found := fmt.Sprintf("hearing %s, thinking %s, speaking %s, voice activity %s", n.Names.STT, n.Names.LLM, n.Names.TTS, n.Names.VAD)
	return fine(found)
}

func computer(_ context.Context, p *patient) Finding {
	found := fmt.Sprintf("%s, %d cores", p.system, p.cores)
	if p.needs.Models != 0 && p.system != "linux/amd64" {
		return fail(found+": the models' packages are for linux/amd64", "use engines that need none: --stt, --llm, --tts and --vad choose them (parley serve --help)")
	}
	return fine(found)
}

// modelFiles looks whether all files are there, and reads them unless it is to be quick.
func modelFiles(ctx context.Context, p *patient) Finding {
	want, dir := p.needs.Models, p.needs.Folder
	if want == 0 {
		return Finding{}
	}
	if missing := p.missing(dir, want); len(missing) > 0 {
		return fail(lacking(missing, want)+" missing in "+dir, p.fetch()+" (serve does so by itself, unless told --no-fetch)")
	}
	if p.quick {
		return fine("all are in " + dir + "; they were not read")
	}
	switch err := p.verify(ctx, dir, want); {
	case ctx.Err() != nil:
		return warn(fmt.Sprintf("reading them in %s took longer than %v", dir, limit), "put them on a faster disk: --models names another folder")
	case err != nil:
		return fail(strings.ReplaceAll(err.Error(), "\n", "; "), p.fetch())
	}
	return fine("all are in " + dir + " and hold what they should")
}

// fetch is the command that fetches what is needed.
func (p *patient) fetch() string {
	kind := "none"
	switch {
	case p.needs.Models.Has(models.Large):
		kind = "large"
	case p.needs.Models.Has(models.Small):
		kind = "small"
	}
	cmd := "parley models fetch --llm " + kind
	if p.engines.Models != "" {
		cmd += " --dir " + p.engines.Models
	}
	return cmd
}

// lacking says what is not there: a few by name, many by number.
func lacking(missing []models.File, want models.Set) string {
	all := models.Wanted(models.Table, want)
	bundles := slices.DeleteFunc(slices.Clone(all), func(b models.Bundle) bool { return !lacks(missing, b) })
	var names []string
	var size int64
	for _, b := range bundles {
		names = append(names, b.Purpose)
		size += b.Download()
	}
	if len(bundles) > 2 {
		return fmt.Sprintf("%d of %d models (%s to fetch) are", len(bundles), len(all), gb(size))
	}
	return strings.Join(names, "; ") + ":"
}

// lacks says whether a file of the bundle is missing.
func lacks(missing []models.File, b models.Bundle) bool {
	return slices.ContainsFunc(missing, func(f models.File) bool { return belongs(f, b) })
}

func belongs(f models.File, b models.Bundle) bool {
	return slices.Contains(b.Made, f.Path) || slices.ContainsFunc(b.Files, func(o models.File) bool { return o.Path == f.Path })
}

// madeSize is about what making the recognizer's files takes on disk.
const madeSize = 700_000_000

// diskSpace looks whether there is room for what is missing.
func diskSpace(_ context.Context, p *patient) Finding {
	if p.needs.Models == 0 {
		return Finding{}
	}
	missing := p.missing(p.needs.Folder, p.needs.Models)
	if len(missing) == 0 {
		return Finding{}
	}
	var need, wheel int64
	made := false
	for _, f := range missing {
		need += f.Size
		made = made || f.SHA256 == ""
	}
	if made {
		need += madeSize
	}
	for _, b := range models.Wanted(models.Table, p.needs.Models) {
		if lacks(missing, b) {
			for _, k := range b.Packages {
				wheel = max(wheel, k.Size)
			}
		}
	}
	need += wheel
	free, err := p.disk(p.needs.Folder)
	if err != nil {
		return warn(err.Error(), "name another folder with --models or PARLEY_MODELS")
	}
	found := fmt.Sprintf("%s free for the models, %s needed", gb(free), gb(need))
	if free < need {
		return fail(found, "free some space, or name a folder on another disk with --models or PARLEY_MODELS")
	}
	return fine(found)
}

func runtimeLibrary(_ context.Context, p *patient) Finding {
	if !p.needs.Models.Has(models.Runtime) || len(p.missing(p.needs.Folder, models.Runtime)) > 0 {
		return Finding{}
	}
	library := models.File{Path: models.RuntimeFile}.In(p.needs.Folder)
	version, err := p.runtime(library)
	if err != nil {
		return fail(err.Error(), "parley models verify reads the file again; if it is right, this system is too old for it")
	}
	return fine("version " + version)
}

func espeak(ctx context.Context, p *patient) Finding {
	if n := p.needs.Names.TTS; n != "local" && n != "espeak" {
		return Finding{}
	}
	version, err := p.program(ctx, "espeak-ng")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fail("the program is not on the PATH; it turns words into sounds for the voice", "apt-get install espeak-ng (as root), or what your system calls it")
	case err != nil:
		return fail("it does not run: "+err.Error(), "apt-get install --reinstall espeak-ng (as root)")
	}
	return fine(version)
}

func llamaServer(ctx context.Context, p *patient) Finding {
	if p.needs.Server == "" || p.needs.Models.Has(models.Server) && len(p.missing(p.needs.Folder, models.Server)) > 0 {
		return Finding{}
	}
	version, err := p.program(ctx, p.needs.Server)
	if err == nil {
		return fine(p.needs.Server + ", " + version)
	}
	found, mend := p.needs.Server+" does not run: "+err.Error(), "parley models verify checks its files; --llm local:server=PATH names another one"
	switch {
	case strings.Contains(err.Error(), "illegal instruction") && p.needs.Models.Has(models.Server):
		return warn(p.needs.Server+" is built for a newer processor; its portable libraries will do, more slowly", "put a llama-server built for this computer on the PATH")
	case strings.Contains(err.Error(), "libgomp"):
		mend = "apt-get install libgomp1 (as root), or what your system calls it"
	case strings.Contains(err.Error(), "GLIBC"):
		mend = "it needs glibc 2.35 (Debian 12, Ubuntu 22.04) or later: put a llama-server made for this system on the PATH"
	}
	return fail(found, mend)
}

// weights are what opened engines hold in memory, in bytes, as it was measured. The language model's server
// has its context of 4096 tokens in it.
var weights = []struct {
	set   models.Set
	bytes int64
}{
	{models.Recognizer, 300e6}, {models.Voice, 200e6}, {models.Turns, 60e6}, {models.Large, 2100e6}, {models.Small, 740e6},
}

// base is what the program holds without them.
const base = 70e6

func memory(_ context.Context, p *patient) Finding {
	need := int64(base)
	for _, w := range weights {
		if p.needs.Models.Has(w.set) {
			need += w.bytes
		}
	}
	if p.needs.Server != "" && !p.needs.Models.Has(models.Large) && !p.needs.Models.Has(models.Small) {
		size, err := p.size(p.needs.File)
		if err != nil {
			return fail("the language model cannot be read: "+err.Error(), "--llm local:model=FILE names a GGUF file")
		}
		need += size*3/2 + 300e6 // about what llama-server holds with it
	}
	free := p.memory()
	why := strings.TrimSpace(p.needs.Why)
	if free < 0 {
		return warn("it cannot be found out how much is available; "+gb(need)+" is needed", "see to it that there is as much")
	}
	found := fmt.Sprintf("%s available, about %s needed. %s", gb(free), gb(need), why)
	if free < need {
		return fail(found, "end other programs, or let another computer think: --llm openai:url=URL,model=NAME")
	}
	return fine(strings.TrimSpace(found))
}

func gb(n int64) string { return strconv.FormatFloat(float64(n)/1e9, 'f', 1, 64) + " GB" }

func pageBuilt(_ context.Context, p *patient) Finding {
	if !p.page() {
		return warn("this binary holds no page: only other clients, as 'parley call', can talk to it", "make build, and use bin/parley")
	}
	return fine("it is in this binary")
}

func pagePort(_ context.Context, p *patient) Finding {
	err := p.listen("tcp", p.network.Listen)
	if err == nil {
		return fine("TCP " + p.network.Listen + " is free")
	}
	return busy("TCP", p.network.Listen, err, "--listen HOST:PORT")
}

// busy says why an address cannot be had.
func busy(kind, addr string, err error, flag string) Finding {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fail(kind+" "+addr+" is taken by another program, or by a parley that runs already", "end that program, or choose another address with "+flag)
	case errors.Is(err, syscall.EACCES):
		return fail(kind+" "+addr+" may not be taken: ports below 1024 need special rights", "choose a port above 1023 with "+flag)
	}
	return fail(err.Error(), "name an address of this computer and a port with "+flag)
}

func audioPort(_ context.Context, p *patient) Finding {
	addr, orAny, err := p.network.Audio()
	if err == nil {
		err = p.listen("udp", addr)
	}
	switch {
	case err == nil:
		return fine("UDP " + addr + " is free")
	case orAny && errors.Is(err, syscall.EADDRINUSE):
		return warn("UDP "+addr+" is taken; serve will use any free port instead", "if a firewall lets only that port through, end what has it, or choose with --media HOST:PORT")
	}
	return busy("UDP", addr, err, "--media HOST:PORT")
}

func loopback(ctx context.Context, p *patient) Finding {
	took, err := p.echo(ctx)
	if err != nil {
		return fail("a datagram from this computer to itself got lost: "+err.Error(), "let a firewall pass UDP on the loopback interface (lo)")
	}
	return fine(fmt.Sprintf("UDP from this computer to itself and back in %v", took.Round(10*time.Microsecond)))
}

// https looks whether browsers will give the page a microphone.
func https(_ context.Context, p *patient) Finding {
	host, _, err := net.SplitHostPort(p.network.Listen)
	if err != nil {
		return Finding{} // pagePort has told
	}
	config, err := p.network.Certificate()
	switch {
	case err != nil:
		return fail(err.Error(), "name two PEM files that this user can read, or make a certificate at each start with --tls self")
	case config != nil && config.Certificates[0].Leaf != nil && time.Now().After(config.Certificates[0].Leaf.NotAfter):
		return warn("the certificate expired on "+config.Certificates[0].Leaf.NotAfter.Format(time.DateOnly), "renew it, and start serve again")
	case p.network.TLS == "self":
		return fine("with a certificate made at each start; a browser asks once whether to trust it")
	case config != nil:
		return fine("with the certificate of " + p.network.TLS)
	case host == "localhost" || net.ParseIP(host).IsLoopback():
		return fine("not needed: browsers give the microphone to pages from this computer")
	}
	return warn("browsers on other computers give a page no microphone over plain http", "--tls self, or --tls CERT,KEY, or a proxy with HTTPS in front")
}

func callers(_ context.Context, p *patient) Finding {
	n, asked := p.needs.Callers, p.network.MaxSessions
	if n == 0 {
		return Finding{} // the engines are not known
	}
	found := fmt.Sprintf("about %d at once with these engines", n)
	switch {
	case asked > n:
		return warn(fmt.Sprintf("%s, and --max-sessions lets in %d", found, asked), "take that flag away, or let another computer think: --llm openai:url=URL,model=NAME")
	case p.needs.Server != "" && p.cores < 2:
		return warn(found+"; a language model and a conversation on one core are slow", "two cores or more, or --llm openai:url=URL,model=NAME")
	}
	return fine(found)
}
