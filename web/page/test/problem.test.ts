import assert from "node:assert/strict";
import { test } from "node:test";
import { checks, problem, refusedMicrophone, refusedOffer, refusedPath, sentence, told, type Code } from "../src/problem.js";

const ends: Code[] = [
  "insecure", "unsupported", "denied", "no-microphone", "microphone-busy", "microphone-failed", "offline", "unreachable",
  "busy", "server-failed", "no-parley", "bad-answer", "path", "encryption", "channel", "lost",
];
const passes: Code[] = ["microphone-changed", "microphone-lost", "microphone-silent", "sound-blocked", "unsteady"];

test("each problem is a sentence of its own, says what to try and whether the call goes on", () => {
  const titles = new Set<string>();
  for (const code of [...ends, ...passes]) {
    const p = problem(code);
    assert.equal(p.fatal, ends.includes(code), code);
    assert.match(p.title, /^[A-Z].+\.$/, code);
    assert.match(p.advice, /^[A-Z].+[.…]$/, code);
    assert.ok(!titles.has(p.title), code);
    titles.add(p.title);
  }
});

test("a failed step of connecting is named", () => {
  const failed = (["no-microphone", "unreachable", "path", "encryption", "channel"] as const).map((c) => problem(c).failed);
  assert.deepEqual(failed, [...checks]);
  assert.equal(problem("lost").failed, undefined);
});

test("what the browser says of a microphone", () => {
  const want: [string, Code][] = [
    ["NotAllowedError", "denied"], ["SecurityError", "denied"], ["NotFoundError", "no-microphone"],
    ["OverconstrainedError", "no-microphone"], ["NotReadableError", "microphone-busy"], ["AbortError", "microphone-busy"],
    ["TypeError", "microphone-failed"], ["", "microphone-failed"],
  ];
  for (const [name, code] of want) assert.equal(refusedMicrophone(name), code, name);
});

test("what the server says to an offer", () => {
  const want: [number, string, number, Code, string][] = [
    [503, "full", 0, "busy", "Try again in a moment."],
    [503, "", 1, "busy", "Try again in a second."],
    [503, "", 30, "busy", "Try again in 30 seconds."],
    [400, "the offer has no audio line", 0, "refused", "The offer has no audio line."],
    [400, "", 0, "refused", ""],
    [413, "body too large", 0, "refused", "Body too large."],
    [404, "", 0, "no-parley", problem("no-parley").advice],
    [405, "", 0, "no-parley", problem("no-parley").advice],
    [500, "disk full", 0, "server-failed", "Disk full."],
    [502, "", 0, "server-failed", problem("server-failed").advice],
  ];
  for (const [status, said, wait, code, advice] of want) {
    const p = refusedOffer(status, said, wait);
    assert.deepEqual([p.code, p.advice, p.fatal], [code, advice, true], `${status} ${said}`);
  }
});

test("which step failed after the server had answered", () => {
  assert.equal(refusedPath({ ice: false, dtls: false }), "path");
  assert.equal(refusedPath({ ice: true, dtls: false }), "encryption");
  assert.equal(refusedPath({ ice: true, dtls: true }), "channel");
});

test("sentences", () => {
  const want = [["", ""], ["  a b ", "A b."], ["Done.", "Done."], ["wait …", "Wait …"], ["why?", "Why?"]] as const;
  for (const [text, s] of want) assert.equal(sentence(text), s);
  assert.deepEqual(told("the model died", false), { code: "server", title: "The model died.", advice: "", fatal: false });
});
