import assert from "node:assert/strict";
import { test } from "node:test";
import { anything, parse, query, shell, toList, toSecond } from "../src/consolelink.js";
import { begin, byTurn, did, lastBefore, Peaks, told, waterfall, words } from "../src/consolemodel.js";
import { brief, clock, length, size, step, when } from "../src/consoletime.js";
import type { Call, Decision, Input, Turn } from "../src/recordings.js";

const nothing: Input = { kind: "tick", from: 0, to: 0, voice: 0, p: 0, text: "", on: false };
const decision = (turn: number, kind = "commit"): Decision => ({ seq: 1, at: 0, turn, kind, text: "", back: 0, reason: "", input: nothing });
const turn = (n: number, more: Partial<Turn> = {}): Turn => ({
  n, voice: [], user: "", userWords: [], committed: 0, reason: "", answer: { generated: "", heard: "", interrupted: false }, words: [],
  spoken: { from: 0, to: 0 }, holds: [], asides: [], timed: false, latency: { commit: 0, text: 0, token: 0, phrase: 0, audio: 0, sent: 0 }, troubles: [], ...more,
});
const call = (turns: Turn[], decisions: Decision[]): Call => ({
  recording: { id: "a", start: "", length: 9, state: "closed", codec: "opus", bytes: 0, wrong: "", known: true, facts: { turns: 0, interruptions: 0, holds: 0, troubles: 0, latency: 0, excerpt: "" } },
  path: "", build: "", config: "", turns, decisions, holes: [], ended: "",
});

test("times and sizes", () => {
  assert.deepEqual([0, 2.34, 59.96, 754.25, 3723.4, -1].map(clock), ["0:00.0", "0:02.3", "1:00.0", "12:34.3", "1:02:03.4", "0:00.0"]);
  assert.deepEqual([48.1, 119, 121, 3599, 3723].map(length), ["48 s", "119 s", "2 min", "1 h 00", "1 h 02"]);
  assert.deepEqual([0.0004, 0.867, 1.234].map(brief), ["0 ms", "867 ms", "1.23 s"]);
  assert.deepEqual([310_400, 18_900_000, 2.5e9].map(size), ["310 kB", "18.9 MB", "2.5 GB"]);
  assert.equal(when("0001-01-01T00:00:00Z"), "unknown");
  assert.equal(when("nonsense"), "unknown");
  assert.deepEqual([400, 48, 1, 0.001].map((p) => step(p, 72)), [0.2, 2, 120, 7200]);
});

test("links lead back to where they were made", () => {
  for (const at of [0, 0.1, 12.3, 3601.5]) {
    const p = parse(toSecond("a-1_b", at));
    assert.deepEqual([p.id, p.at], ["a-1_b", at]);
  }
  const f = { ...anything, text: "a & b", with: "troubles", since: "2026-11-20" };
  assert.deepEqual(parse(toList(f)), { id: undefined, at: 0, filter: f });
  assert.deepEqual(parse(""), parse("#"));
  for (const bad of ["#id&t=x", "#id&t=-1", "#id&t=1e999", "#id&", "#id&x=%zz"]) assert.equal(parse(bad).at, 0, bad);
});

test("the query has whole days of the reader", () => {
  const q = new URLSearchParams(query({ ...anything, text: " sky ", least: "60", since: "2026-11-20", until: "2026-11-20" }));
  assert.equal(q.get("text"), "sky");
  assert.equal(q.get("least"), "60");
  assert.equal(Date.parse(q.get("until") ?? "") - Date.parse(q.get("since") ?? ""), 86_400_000);
  assert.equal(query({ ...anything, since: "x", text: " " }), "");
});

test("a path is quoted only where it must be", () => {
  assert.equal(shell("/var/lib/parley/a-1.conv"), "/var/lib/parley/a-1.conv");
  assert.equal(shell("/a b/it's.conv"), `'/a b/it'\\''s.conv'`);
});

test("peaks come in pieces", () => {
  const p = new Peaks(0.5, 2.4);
  assert.equal(p.classes[0].length, 5);
  p.take(new Uint8Array([0x80, 127, 0, 0, 64, 5, 0xff, 1, 0, 0, 0, 5]));
  p.take(new Uint8Array([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 1, 1, 1, 1, 1]));
  assert.equal(p.made, 5);
  assert.deepEqual([...p.sides[0].slice(0, 4)], [-1, 127 / 128, -1 / 128, 1 / 128]);
  assert.deepEqual(p.sums(0), [1.5, 0, 0.5, 0, 0.5, 0]);
  const seen: number[][] = [];
  p.stretches(1, 0, 9, (c, from, to) => seen.push([c, from, to]));
  assert.deepEqual(seen, [[5, 0, 1]]);
  seen.length = 0;
  p.stretches(0, 1.1, 2.4, (c, from, to) => seen.push([c, from, to]));
  assert.deepEqual(seen, [[2, 1, 1.5], [4, 2, 2.5]]);
  assert.ok(p.sides[0].length === 10, "nothing beyond the end is taken");
});

test("the last that begins before", () => {
  const all = [1, 3, 3, 7];
  assert.deepEqual([0, 1, 2, 3, 8].map((at) => lastBefore(all, (v) => v, at)), [-1, 0, 0, 2, 3]);
  assert.equal(lastBefore([], (v: number) => v, 1), -1);
});

test("a turn begins with its voice, or else its answer", () => {
  assert.equal(begin(turn(1, { voice: [{ from: 3, to: 4 }], spoken: { from: 5, to: 6 }, committed: 4.5 })), 3);
  assert.equal(begin(turn(1, { spoken: { from: 5, to: 6 } })), 5);
  assert.equal(begin(turn(1, { user: "typed", spoken: { from: 5, to: 6 }, committed: 4.5 })), 4.5);
  assert.equal(begin(turn(1, { committed: 4.5 })), 4.5);
});

test("words are in their order", () => {
  const w = (text: string, from: number) => ({ text, from, to: from + 0.1, guessed: false });
  const all = words([turn(1, { userWords: [w("a", 1), w("d", 4)], words: [w("b", 2)] }), turn(2, { userWords: [w("c", 3)] })]);
  assert.equal(all.map((w) => w.text).join(""), "abcd");
});

test("decisions of a turn that was united stand with the later one", () => {
  const m = byTurn(call([turn(1), turn(3)], [decision(1), decision(2), decision(3), decision(4)]));
  assert.deepEqual([...m].map(([n, d]) => [n, d.length]), [[1, 1], [3, 3]]);
});

test("the waterfall", () => {
  const stages = waterfall({ commit: 0.85, text: 0.1, token: 0.34, phrase: 0.5, audio: 0.6, sent: 0.87 });
  assert.deepEqual(stages.map((s) => [s.name, s.from, s.to]), [["End of turn", 0, 0.85], ["Recognizer", 0, 0.1], ["Model", 0.1, 0.34],
    ["First phrase", 0.34, 0.5], ["Voice", 0.5, 0.6], ["Line", 0.85, 0.87]]);
  assert.deepEqual(waterfall({ commit: 0, text: 0, token: 0.2, phrase: 0.3, audio: 0.3, sent: 0.4 }).map((s) => s.name), ["Model", "First phrase", "Voice", "Line"]);
});

test("inputs and decisions are told", () => {
  assert.equal(told({ ...nothing, kind: "score", voice: 0.951, to: 18.02 }), "voice 0.95 at 0:18.0");
  assert.equal(told({ ...nothing, kind: "final", text: "Wait.", from: 18, to: 19 }), "words “Wait.”, 0:18.0 to 0:19.0");
  assert.equal(told({ ...nothing, kind: "finished", p: 0.876 }), "sounds finished: 88 %");
  assert.equal(told({ ...nothing, kind: "later", text: "x" }), "later “x”");
  assert.equal(did({ ...decision(1, "resume"), back: 0.4 }), "let the agent go on, 400 ms repeated");
  assert.equal(did(decision(1, "later")), "later");
});
