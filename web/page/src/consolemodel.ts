// What the console makes of a conversation: pure functions.

import type { Call, Decision, Input, Latency, Turn, Word } from "./recordings.js";
import { brief, clock } from "./consoletime.js";

/** Where a sample comes from, in the order of the server's numbers. */
export const classes = ["received", "recovered", "concealed", "DTX", "muted", "not captured"] as const;

/** The peaks of both sides: for each bucket least and greatest sample, from −1 to 1, and the class. */
export class Peaks {
  readonly sides: [Float32Array, Float32Array];
  readonly classes: [Uint8Array, Uint8Array];
  /** Buckets that are there. */
  made = 0;
  private readonly counts = [classes.map(() => 0), classes.map(() => 0)] as const;

  constructor(readonly bucket: number, seconds: number) {
    const n = Math.max(1, Math.ceil(seconds / bucket - 1e-6));
    this.sides = [new Float32Array(2 * n), new Float32Array(2 * n)];
    this.classes = [new Uint8Array(n).fill(unknown), new Uint8Array(n).fill(unknown)];
  }

  /** Takes the next buckets: of each six bytes, least, greatest and class of the caller, then of the agent. */
  take(bytes: Uint8Array): void {
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i + 6 <= bytes.length && this.made < this.classes[0].length; i += 6, this.made++) {
      for (const side of [0, 1] as const) {
        this.sides[side][2 * this.made] = v.getInt8(i + 3 * side) / 128;
        this.sides[side][2 * this.made + 1] = v.getInt8(i + 3 * side + 1) / 128;
        const c = this.classes[side][this.made] = v.getUint8(i + 3 * side + 2);
        if (c < classes.length) this.counts[side][c] = (this.counts[side][c] ?? 0) + 1;
      }
    }
  }

  /** How long each class lasts, in seconds. */
  sums(side: 0 | 1): number[] {
    return this.counts[side].map((n) => n * this.bucket);
  }

  /** Calls f with each stretch of one class other than received between two seconds. */
  stretches(side: 0 | 1, from: number, to: number, f: (cls: number, from: number, to: number) => void): void {
    const all = this.classes[side];
    const end = Math.min(this.made, Math.ceil(to / this.bucket));
    for (let i = Math.max(0, Math.floor(from / this.bucket)); i < end;) {
      const first = i;
      const c = all[i] ?? 0;
      while (i < end && all[i] === c) i++;
      if (c !== 0) f(c, first * this.bucket, i * this.bucket);
    }
  }
}

/** The class of what has not come yet. */
const unknown = 255;

/** The number of the last thing that begins at or before a second: −1 for none. Things are in their order. */
export function lastBefore<T>(all: readonly T[], begin: (t: T) => number, at: number): number {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (begin(all[middle] as T) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** When a turn begins: with its voice; when it was typed; or else with its answer. */
export function begin(t: Turn): number {
  return t.voice[0]?.from ?? t.userWords[0]?.from ?? (!t.user && t.spoken.to > t.spoken.from ? t.spoken.from : t.committed);
}

/** All words of a conversation in their order. */
export function words(turns: readonly Turn[]): Word[] {
  return turns.flatMap((t) => [...t.userWords, ...t.words]).sort((a, b) => a.from - b.from);
}

/** The decisions of each turn that is shown; those of a turn that became part of a later one stand with that. */
export function byTurn(call: Call): Map<number, Decision[]> {
  const numbers = call.turns.map((t) => t.n).sort((a, b) => a - b);
  const map = new Map<number, Decision[]>();
  for (const d of call.decisions) {
    const n = numbers.find((n) => n >= d.turn) ?? numbers.at(-1) ?? d.turn;
    const all = map.get(n);
    if (all) all.push(d);
    else map.set(n, [d]);
  }
  return map;
}

/** A stage of an answer's latency, in seconds since the caller's last voice. */
export interface Stage {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Where the time went. What was made before the turn was over overlaps with the wait for that. */
export function waterfall(l: Latency): Stage[] {
  const stage = (name: string, from: number, to: number): Stage => ({ name, from: Math.min(Math.max(0, from), to), to });
  const all = [stage("End of turn", 0, l.commit), stage("Recognizer", 0, l.text), stage("Model", l.text, l.token), stage("First phrase", l.token, l.phrase),
    stage("Voice", l.phrase, l.audio), stage("Line", Math.max(l.audio, l.commit), l.sent)];
  return all.filter((s) => s.to > 0);
}

/** An input of the turn machine in words. */
export function told(i: Input): string {
  const text = i.text ? ` “${i.text}”` : "";
  switch (i.kind) {
    case "score":
      return `voice ${i.voice.toFixed(2)} at ${clock(i.to)}`;
    case "partial":
      return `words so far${text}, ${clock(i.from)} to ${clock(i.to)}`;
    case "final":
      return text ? `words${text}, ${clock(i.from)} to ${clock(i.to)}` : "no words";
    case "finished":
      return `sounds finished: ${(100 * i.p).toFixed(0)} %`;
    case "began":
      return "the answer began to sound";
    case "ended":
      return "the answer ended";
    case "said":
      return "the agent's own words";
    case "typed":
      return `typed${text}`;
    case "key":
      return `key ${i.text}`;
    case "muted":
      return i.on ? "microphone off" : "microphone on";
    case "lost":
      return "the network path was lost";
    case "back":
      return "the network path is back";
    case "tick":
      return "a deadline came";
  }
  return i.kind + text;
}

/** What a decision did, in words. */
export function did(d: Decision): string {
  const what: Record<string, string> = {
    hold: "paused the agent", resume: "let the agent go on", interrupt: "cut the agent off", flush: "asked for the words", think: "began to prepare an answer",
    discard: "threw the prepared answer away", commit: "took the turn as over", obey: "obeyed", say: "spoke of its own", "check-in": "asked whether anybody is there", "give-up": "gave up",
  };
  const back = d.back > 0 ? `, ${brief(d.back)} repeated` : "";
  return (what[d.kind] ?? d.kind) + back;
}
