package codec

// The tables of ITU-T G.722, by the names that it gives them.

// qmf holds the coefficients H0 to H23 of the quadrature mirror filters, in 2^-13. They are their own mirror image.
var qmf = [24]int32{3, -11, -11, 53, 12, -156, 32, 362, -210, -805, 951, 3876, 3876, 951, -805, -210, 362, 32, -156, 12, 53, -11, -11, 3}

// q6 holds the decision levels of the lower band's quantizer, for its smallest step.
var q6 = [...]int32{
	35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
	1458, 1612, 1765, 1980, 2195, 2557, 2919,
}

// qm6 and qm4 are the outputs of the inverse quantizers of six and of four bits for the lower band, qm2 that of two bits
// for the higher.
var (
	qm6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	qm4 = [16]int32{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
	qm2 = [4]int32{-7408, -1616, 7408, 1616}
)

// wl and wh are what a code adds to the logarithm of the step: by the four upper bits in the lower band (W and RL4 in
// one), by both bits in the higher.
var (
	wl = [16]int32{-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60}
	wh = [4]int32{798, -214, 798, -214}
)

// ilb is the antilogarithm: 2048·2^(i/32).
var ilb = [32]int32{
	2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
	2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
}
