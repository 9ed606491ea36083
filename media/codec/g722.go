package codec

// ITU-T G.722 at 64 kbit/s. A pair of mirror filters parts 16,000 samples a second into two bands of 8,000. Each band is
// coded as the quantized difference (six bits the lower, two the higher) to what a predictor of two poles and six zeros
// expects; predictor and step size adapt to the codes themselves, so the two ends stay equal without being told, and
// after a loss grow equal again because all that they remember decays. Encoder and decoder together are 22 samples late,
// 1.4 ms, by the length of the filters. Comments name the blocks of section 6.2.

// The bounds of a band's samples as reconstructed (LIMIT).
const bandMin, bandMax = -16384, 16383

// zeros is the number of zeros in the predictor.
const zeros = 6

// band is the part that encoder and decoder have in common for one band: step size and predictor. Index 0 of a history is
// the newest.
type band struct {
	det    int32        // DET, the step
	nb     int32        // NB, its logarithm
	nbMost int32        // the bound of that
	shift  int32        // the antilogarithm's: the lower band's steps are four times as large
	a1, a2 int32        // the poles' coefficients, in 2^-14
	b      [zeros]int32 // the zeros' coefficients, in 2^-14
	d      [zeros]int32 // differences as quantized (DLT)
	r1, r2 int32        // the signal as reconstructed (RLT)
	p1, p2 int32        // the same without the poles' part (PLT)
	sz, s  int32        // what the zeros expect, and what all expects
}

func lowBand() band  { return band{det: 32, nbMost: 18432, shift: 8} }
func highBand() band { return band{det: 8, nbMost: 22528, shift: 10} }

// adapt takes a quantized difference and the weight of its code, and expects the next sample.
func (x *band) adapt(d, weight int32) {
	x.scale(weight)
	r, p := clip16(x.s+d), clip16(x.sz+d)
	x.poles(p)
	x.zeros(d)
	x.r2, x.r1 = x.r1, r
	x.p2, x.p1 = x.p1, p
	x.expect()
}

// scale is LOGSCL or LOGSCH, then SCALEL or SCALEH.
func (x *band) scale(weight int32) {
	x.nb = min(max(x.nb*127>>7+weight, 0), x.nbMost)
	mantissa, exponent := ilb[x.nb>>6&31], x.shift-x.nb>>11
	if exponent < 0 {
		x.det = mantissa << -exponent << 2
		return
	}
	x.det = mantissa >> exponent << 2
}

// poles is UPPOL2, then UPPOL1.
func (x *band) poles(p int32) {
	turn := clip16(4 * x.a1)
	step1, step2 := int32(-192), int32(-128)
	if sameSign(p, x.p1) {
		step1, turn = 192, min(-turn, 32767)
	}
	if sameSign(p, x.p2) {
		step2 = 128
	}
	x.a2 = min(max(turn>>7+step2+x.a2*32512>>15, -12288), 12288)
	most := 15360 - x.a2
	x.a1 = min(max(step1+x.a1*32640>>15, -most), most)
}

// zeros is UPZERO, and takes d into the history.
func (x *band) zeros(d int32) {
	step := int32(128)
	if d == 0 {
		step = 0
	}
	for i, old := range x.d {
		b := x.b[i] * 32640 >> 15
		if sameSign(d, old) {
			x.b[i] = b + step
		} else {
			x.b[i] = b - step
		}
	}
	copy(x.d[1:], x.d[:])
	x.d[0] = d
}

// expect is FILTEZ, FILTEP and PREDIC.
func (x *band) expect() {
	x.sz = 0
	for i, d := range x.d {
		x.sz += x.b[i] * clip16(2*d) >> 15
	}
	x.sz = clip16(x.sz)
	sp := clip16(x.a1*clip16(2*x.r1)>>15 + x.a2*clip16(2*x.r2)>>15)
	x.s = clip16(sp + x.sz)
}

func sameSign(a, b int32) bool { return (a < 0) == (b < 0) }

func clip16(v int32) int32 { return min(max(v, -32768), 32767) }

func clipBand(v int32) int32 { return min(max(v, bandMin), bandMax) }

// adaptLow and adaptHigh are INVQAL and INVQAH: both ends must adapt to the same difference. That of the lower band has
// only the four upper bits of the code, because at the lower rates of G.722 the others are taken away on the path.
func (x *band) adaptLow(code byte)  { x.adapt(x.det*qm4[code>>2]>>15, wl[code>>2]) }
func (x *band) adaptHigh(code byte) { x.adapt(x.det*qm2[code]>>15, wh[code]) }

// g722Decoder is one direction's receiving end.
type g722Decoder struct {
	low, high band
	sum, diff [12]int32 // of the two bands, newest first
}

func newG722Decoder() *g722Decoder { return &g722Decoder{low: lowBand(), high: highBand()} }

func (g *g722Decoder) decode(payload []byte, pcm []int16) {
	for i, c := range payload {
		low, high := c&63, c>>6
		l := clipBand(g.low.s + g.low.det*qm6[low]>>15)
		h := clipBand(g.high.s + g.high.det*qm2[high]>>15)
		g.low.adaptLow(low)
		g.high.adaptHigh(high)
		pcm[2*i], pcm[2*i+1] = g.join(l, h)
	}
}

// join is the receiving mirror filter.
func (g *g722Decoder) join(l, h int32) (first, second int16) {
	copy(g.sum[1:], g.sum[:])
	copy(g.diff[1:], g.diff[:])
	g.sum[0], g.diff[0] = l+h, l-h
	var a, b int32
	for i := range g.sum {
		a += qmf[2*i] * g.diff[i]
		b += qmf[2*i+1] * g.sum[i]
	}
	return int16(clip16(a >> 11)), int16(clip16(b >> 11))
}

// g722Encoder is one direction's sending end.
type g722Encoder struct {
	low, high band
	in        [24]int32 // samples, newest first
}

func newG722Encoder() *g722Encoder { return &g722Encoder{low: lowBand(), high: highBand()} }

// reset forgets the samples. What the predictors know stays: the listener's know it too, and must go on with equal ones.
func (g *g722Encoder) reset() { clear(g.in[:]) }

func (g *g722Encoder) encode(pcm []int16, buf []byte) {
	for i := range len(pcm) / 2 {
		l, h := g.part(int32(pcm[2*i]), int32(pcm[2*i+1]))
		low := quantizeLow(clip16(l-g.low.s), g.low.det)
		high := quantizeHigh(clip16(h-g.high.s), g.high.det)
		g.low.adaptLow(low)
		g.high.adaptHigh(high)
		buf[i] = high<<6 | low
	}
}

// part is the sending mirror filter.
func (g *g722Encoder) part(first, second int32) (l, h int32) {
	copy(g.in[2:], g.in[:])
	g.in[0], g.in[1] = second, first
	var a, b int32
	for i := 0; i < len(g.in); i += 2 {
		a += qmf[i] * g.in[i]
		b += qmf[i+1] * g.in[i+1]
	}
	return (a + b) >> 14, (a - b) >> 14
}

// quantizeLow is QUANTL: 61 down to 32 for positive differences, from the smallest to the largest; 63, 62, then 31 down
// to 4 for negative ones.
func quantizeLow(e, det int32) byte {
	v := fold(e)
	n := 0
	for n < len(q6) && v >= q6[n]*det>>12 {
		n++
	}
	switch {
	case e >= 0:
		return byte(61 - n)
	case n < 2:
		return byte(63 - n)
	}
	return byte(33 - n)
}

// quantizeHigh is QUANTH.
func quantizeHigh(e, det int32) byte {
	code := byte(3)
	if fold(e) >= 564*det>>12 {
		code = 2
	}
	if e < 0 {
		code -= 2
	}
	return code
}

// fold is a difference without its sign, in ones' complement.
func fold(e int32) int32 {
	if e < 0 {
		return -(e + 1)
	}
	return e
}
