// The transcript: what was said by whom, in order of turns. Pure: each message makes a new list.

import type { Message } from "./schema.js";

/** What one side said in one turn. */
export interface Line {
  readonly turn: number;
  readonly who: "you" | "agent";
  /** You: the words recognized. Agent: the words heard so far. */
  readonly text: string;
  /** Agent: words given to the voice after those, but not heard yet, or never. */
  readonly sent: string;
  /** Agent: words written after those, which are with the voice not yet, or never. */
  readonly rest: string;
  /** No more will come. A line of yours that is not done may still change. */
  readonly done: boolean;
  /** Agent: you cut in, and sent and rest were never heard. */
  readonly interrupted: boolean;
  /** When its first words came, in milliseconds since the call was created. */
  readonly at: number;
}

/** The oldest lines beyond this number are forgotten. */
export const most = 1000;

/** The transcript with what a message adds to it: the same list if that is nothing. */
export function apply(lines: readonly Line[], m: Message): readonly Line[] {
  switch (m.type) {
    case "user":
      return put(lines, { turn: m.turn, who: "you", text: m.text.trim(), sent: "", rest: "", done: m.final, interrupted: false, at: m.atMs });
    case "agent":
      return put(lines, {
        turn: m.turn,
        who: "agent",
        ...split(m.heard.trim(), m.sent.trim(), m.generated.trim()),
        done: m.done || m.interrupted,
        interrupted: m.interrupted,
        at: m.atMs,
      });
    default:
      return lines;
  }
}

/** The transcript of a call that is over: nothing more comes, and of what was not heard only what you cut off stays. */
export function settle(lines: readonly Line[]): readonly Line[] {
  return lines.map((l) => ({ ...l, ...(l.interrupted ? {} : { sent: "", rest: "" }), done: true })).filter((l) => l.text !== "");
}

/** The transcript as plain text, one line a turn of one side. What was never heard is left out. */
export function asText(lines: readonly Line[]): string {
  return lines
    .filter((l) => l.text !== "")
    .map((l) => [l.who === "you" ? "You:" : "Agent:", l.text, l.interrupted ? "(interrupted)" : ""].filter(Boolean).join(" "))
    .join("\n");
}

/**
 * Divides an answer into what was heard, what the voice has beyond that, and the rest. The spaces between stay with what
 * follows. What is written differs from what is spoken where something cannot be spoken: then there is no rest.
 */
function split(heard: string, sent: string, generated: string): { text: string; sent: string; rest: string } {
  const more = after(heard, sent);
  return { text: heard, sent: more, rest: after(heard + more, generated) };
}

/** What follows text in all, if that begins with it, whatever the blanks between words are; else nothing. */
function after(text: string, all: string): string {
  let at = 0;
  for (const word of text.split(/\s+/)) { // of no text, one empty word
    while (/\s/.test(all.charAt(at))) at++;
    if (!all.startsWith(word, at)) return "";
    at += word.length;
  }
  return all.slice(at);
}

function put(lines: readonly Line[], line: Line): readonly Line[] {
  const at = lines.findIndex((l) => order(l) >= order(line));
  const old = at < 0 ? undefined : lines[at];
  const replaces = old !== undefined && order(old) === order(line);
  const list = [...lines];
  const unheard = line.sent === "" && line.rest === "" || line.interrupted;
  const empty = line.text === "" && line.done && unheard; // of an answer nothing was heard
  const first = replaces ? { ...line, at: old.at } : line;
  list.splice(at < 0 ? lines.length : at, replaces ? 1 : 0, ...(empty ? [] : [first]));
  return list.slice(-most);
}

/** In a turn the caller speaks first. */
function order(l: Line): number {
  return l.turn * 2 + (l.who === "you" ? 0 : 1);
}
