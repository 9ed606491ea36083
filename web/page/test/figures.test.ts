import assert from "node:assert/strict";
import { test } from "node:test";
import { fill } from "../src/meters.js";
import { Lag, longest, noStats, summarize, type CallStats } from "../src/stats.js";
import { patience, SilenceWatch } from "../src/watch.js";

test("a meter is empty at −60 dBFS and full at −12", () => {
  const want: [number, number][] = [[0, 0], [0.001, 0], [0.0158, 0.5], [0.251, 1], [1, 1]];
  for (const [level, part] of want) assert.ok(Math.abs(fill(level) - part) < 0.01, `${level}: ${fill(level)}`);
});

test("a report is summed up", () => {
  const report: Record<string, unknown>[] = [
    { type: "inbound-rtp", packetsReceived: 9, concealedSamples: 960, silentConcealedSamples: "x" },
    { type: "outbound-rtp", packetsSent: 7 },
    { type: "media-playout", totalPlayoutDelay: 4.8, totalSamplesCount: 480 },
    { type: "media-source", totalAudioEnergy: 0.5, totalSamplesDuration: 3 },
    { type: "candidate-pair", nominated: false, currentRoundTripTime: 9 },
    { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.02 },
    { type: "codec" },
  ];
  assert.deepEqual(summarize(report), {
    ...noStats(), packetsReceived: 9, concealedSamples: 960, packetsSent: 7, microphoneEnergy: 0.5, microphoneDuration: 3, roundTripTime: 0.02,
    totalPlayoutDelay: 4.8, totalPlayoutSamples: 480,
  });
  assert.deepEqual(summarize([]), noStats());
});

/** Feeds one reading a second: a level in dBFS, and whether it is the caller's turn. */
function listen(...seconds: [decibels: number, counts: boolean][]): string[] {
  const w = new SilenceWatch();
  let energy = 0;
  w.step({ energy: 0, seconds: 0 }, true);
  return seconds.map(([decibels, counts], i) => {
    energy += 10 ** (decibels / 10);
    return w.step({ energy, seconds: i + 1 }, counts);
  });
}

test("a microphone that gives nothing is noticed after five seconds, and sound ends that", () => {
  const nothing = Array.from({ length: patience }, (): [number, boolean] => [-100, true]);
  assert.deepEqual(listen(...nothing, [-60, true], [-100, true]), ["unknown", "unknown", "unknown", "unknown", "silent", "sound", "unknown"]);
});

test("a quiet room is no dead microphone", () => {
  assert.ok(listen(...Array.from({ length: 20 }, (): [number, boolean] => [-72, true])).every((s) => s === "sound"));
});

test("while it is not the caller's turn silence does not count", () => {
  assert.ok(!listen(...Array.from({ length: 20 }, (): [number, boolean] => [-100, false])).includes("silent"));
});

test("another microphone begins anew", () => {
  const w = new SilenceWatch();
  w.step({ energy: 0, seconds: 0 }, true);
  assert.equal(w.step({ energy: 0, seconds: 4.5 }, true), "unknown");
  assert.equal(w.step({ energy: 0, seconds: 0.5 }, true), "unknown");
  assert.equal(w.step({ energy: 0, seconds: 1.5 }, true), "unknown");
  assert.equal(w.step({ energy: 0, seconds: 6 }, true), "silent");
});

const stats = (some: Partial<CallStats>): CallStats => ({ ...noStats(), ...some });
const buffer = (jitterBufferDelay: number, jitterBufferEmittedCount: number): Partial<CallStats> => ({ jitterBufferDelay, jitterBufferEmittedCount });

test("the lag is that of now, not of the whole call", () => {
  const l = new Lag();
  assert.equal(l.step(stats(buffer(4800, 48_000)), 0), 100);
  assert.equal(l.step(stats(buffer(4800 + 2400, 2 * 48_000)), 0), 50);
  assert.equal(l.step(stats(buffer(4800 + 2400, 2 * 48_000)), 0), 50, "nothing was played meanwhile");
  assert.equal(l.step(noStats(), 0), 50, "a report that could not be had");
  assert.equal(l.step(stats(buffer(4800 + 2400 + 9600, 3 * 48_000)), 0), 200);
});

test("the lag has what the browser tells of it", () => {
  const playout = { totalPlayoutDelay: 480, totalPlayoutSamples: 48_000 };
  const want: [some: Partial<CallStats>, output: number, lag: number | undefined][] = [
    [{}, 0, undefined], [{}, NaN, undefined], [{}, 0.03, 30],
    [buffer(4800, 48_000), 0.03, 130], [{ ...buffer(4800, 48_000), ...playout }, 0.03, 110], [playout, 0, 10],
    [buffer(1e9, 48_000), 0, longest], [buffer(-5, 48_000), 0, 0],
  ];
  for (const [some, output, lag] of want) assert.equal(new Lag().step(stats(some), output), lag, JSON.stringify(some));
});
