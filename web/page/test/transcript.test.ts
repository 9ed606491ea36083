import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../src/schema.js";
import { apply, asText, most, settle, type Line } from "../src/transcript.js";

const user = (turn: number, text: string, final = true): Message => ({ type: "user", turn, text, final, atMs: 0 });
/** An answer of which the voice has all, or what is before the bar. */
const agent = (turn: number, heard: string, written: string, done = false, interrupted = false): Message => {
  const sent = written.split("|")[0] ?? "";
  return { type: "agent", turn, heard, sent, generated: written.replace("|", ""), done, interrupted, atMs: 0 };
};
const run = (...messages: Message[]): readonly Line[] => messages.reduce(apply, [] as readonly Line[]);
const short = (lines: readonly Line[]): string[] =>
  lines.map((l) => `${l.turn} ${l.who} ${l.text}|${l.sent}${l.rest && `|${l.rest}`}${l.done ? "." : "…"}${l.interrupted ? "!" : ""}`);

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
  ["of an answer you heard some, the voice has more, and more is written",
    [agent(1, "One", "One two| three."), agent(1, "One two", "One two| three.")], ["1 agent One two|| three.…"]],
  ["what the voice has is told from what is only written, before anything was heard", [agent(1, "", "One| two.")], ["1 agent |One| two.…"]],
  ["also of an answer that you cut off", [agent(1, "One", "One two| three.", true, true)], ["1 agent One| two| three..!"]],
  ["what is spoken may differ from what is written",
    [{ type: "agent", turn: 1, heard: "One two", sent: "One two three.", generated: "**One** two three. Four.", done: false, interrupted: false, atMs: 0 }],
    ["1 agent One two| three.…"]],
  ["something was heard, and the server does not say what the voice has",
    [{ type: "agent", turn: 1, heard: "One", sent: "", generated: "One two.", done: false, interrupted: false, atMs: 0 }], ["1 agent One|| two.…"]],
  ["other messages change nothing", [user(1, "Hi"), { type: "state", state: "thinking", atMs: 1 }], ["1 you Hi|."]],
];

for (const [name, messages, want] of cases) {
  test(name, () => assert.deepEqual(short(run(...messages)), want));
}

test("a line keeps the time of its first words", () => {
  const lines = run({ ...user(1, "Hi", false), atMs: 2000 } as Message, { ...user(1, "Hi there"), atMs: 3000 } as Message, { ...agent(1, "", "Hello"), atMs: 3500 } as Message);
  assert.deepEqual(lines.map((l) => l.at), [2000, 3500]);
});

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
