// Package echo tells the agent's own sound, come back through the caller's loudspeaker and microphone, from the caller.
//
// A [Guard] is given what is sent and what is heard. While the agent speaks it looks for what was sent in what is heard: by the
// cross-correlation of a quarter of a second, each frequency weighed alike (GCC-PHAT; Knapp and Carter, "The Generalized
// Correlation Method for Estimation of Time Delay", 1976), so that two voices of the same pitch are not taken for one. Where
// two such looks find the same delay it is the echo's, and is remembered. From then on an adaptive filter (NLMS; Haykin, "Adaptive
// Filter Theory") says for each frame what the echo sounds like: a frame is echo if what remains without it is no louder than the rest
// that a room, two codecs and a quarter of a second of learning leave. A caller who speaks over the echo remains.
//
// All is done at 4,000 samples a second, from 300 to 1,700 Hz. The guard is no echo canceller: no frame is changed.
package echo
