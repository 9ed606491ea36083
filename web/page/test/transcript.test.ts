import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../src/schema.js";
import { apply, asText, most, settle, type Line } from "../src/transcript.js";

const user = (turn: number, text: string, final = true): Message => ({ type: "user", turn, text, final });
const agent = (turn: number, heard: string, generated: string, done = false, interrupted = false): Message =>
  ({ type: "agent", turn, heard, generated, done, interrupted });
const run = (...messages: Message[]): readonly Line[] => messages.reduce(apply, [] as readonly Line[]);
const short = (lines: readonly Line[]): string[] =>
  lines.map((l) => `${l.turn} ${l.who} ${l.text}|${l.rest}${l.done ? "." : "…"}${l.interrupted ? "!" : ""}`);

const cases: [name: string, messages: Message[], want: string[]][] = [
  ["nothing", [], []],
  ["a partial is replaced by the final", [user(1, "wha", false), user(1, "What time is it?")], ["1 you What time is it?|."]],
  ["the greeting has no caller", [agent(0, "Hello", "Hello there.")], ["0 agent Hello| there.…"]],
  ["words move from rest to heard",
    [agent(1, "", "One two three."), agent(1, "One two", "One two three."), agent(1, "One two three.", "One two three.", true)],
    ["1 agent One two three.|."]],
  ["an interruption keeps what was never heard apart", [agent(1, "One", "One two.", false, true)], ["1 agent One| two..!"]],
  ["an answer that you cut off before its first word is taken back",
    [user(1, "Hi"), agent(1, "", "Hello."), agent(1, "", "Hello.", true, true)], ["1 you Hi|."]],
  ["in a turn the caller comes first, whatever arrives first",
    [agent(1, "Noon.", "Noon.", true), user(1, "What time is it?")], ["1 you What time is it?|.", "1 agent Noon.|."]],
  ["turns are in order, whatever arrives first",
    [user(2, "and", false), agent(1, "Noon.", "Noon.", true), user(1, "Time?")],
    ["1 you Time?|.", "1 agent Noon.|.", "2 you and|…"]],
  ["an empty final takes the line back", [user(1, "uh", false), user(1, "")], []],
  ["an empty partial holds its place", [user(1, "", false)], ["1 you |…"]],
  ["heard that is not a beginning of generated stands alone", [agent(1, "ten past", "10 past one")], ["1 agent ten past|…"]],
  ["blanks need not be the same", [agent(1, "One. Two", "One.\n Two  three.", true, true)], ["1 agent One. Two|  three..!"]],
  ["other messages change nothing", [user(1, "Hi"), { type: "state", state: "thinking", atMs: 1 }], ["1 you Hi|."]],
];

for (const [name, messages, want] of cases) {
  test(name, () => assert.deepEqual(short(run(...messages)), want));
}

test("a list is never changed", () => {
  const before = run(user(1, "Hi", false));
  const copy = structuredClone(before);
  apply(before, user(1, "Hi there"));
  apply(before, agent(1, "", "Hello"));
  assert.deepEqual(before, copy);
});

test("the oldest lines are forgotten", () => {
  const lines = run(...Array.from({ length: most + 5 }, (_, i) => user(i, `n${i}`)));
  assert.equal(lines.length, most);
  assert.equal(lines[0]?.turn, 5);
});

test("as text, what was never heard is left out", () => {
  const lines = run(user(1, "Tell me a story."), agent(1, "Once", "Once upon a time.", true, true), user(2, "Stop."), agent(2, "", "Fine", true, true), agent(3, "", "not yet"));
  assert.equal(asText(lines), "You: Tell me a story.\nAgent: Once (interrupted)\nYou: Stop.");
});

test("when the call is over nothing more comes", () => {
  const lines = run(user(1, "Hi"), agent(1, "Hel", "Hello there"), user(2, "wh", false), agent(2, "", "never said"), agent(3, "One", "One two.", true, true));
  assert.deepEqual(short(settle(lines)), ["1 you Hi|.", "1 agent Hel|.", "2 you wh|.", "3 agent One| two..!"]);
});
