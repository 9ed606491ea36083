// The parts of the console as functions from what is to what is shown.

import { html, nothing, svg } from "lit";
import { keyed } from "lit/directives/keyed.js";
import type { Side } from "./consoleapi.js";
import { anything, toList, toSecond, type Filter } from "./consolelink.js";
import { begin, classes, did, told, waterfall, type Peaks } from "./consolemodel.js";
import { brief, clock, length, size, when } from "./consoletime.js";
import type { Call, Decision, List, Recording, Turn, Verdict, Word } from "./recordings.js";
import type { View } from "./views.js";

const states: Readonly<Record<string, string>> = { live: "Live", closed: "Closed", killed: "Cut off", recovered: "Recovered" };

/** The state of a recording, where it is not the usual one. */
export function badge(r: Recording): View {
  return html`<span class="badge ${r.wrong ? "wrong" : r.state}" title=${r.wrong}>${r.wrong ? "Damaged" : states[r.state] ?? r.state}</span>`;
}

/** The list with its filter. */
export function listView(l: List | undefined, f: Filter, act: { filter(f: Filter): void }): View {
  return html`<main class="shelf">
    ${filterView(f, act.filter)}
    ${l && l.recordings.length > 0 ? html`<table class="recordings">
      <thead><tr><th scope="col">Started</th><th scope="col" class="figure">Length</th><th scope="col" class="said">What was said first</th>
        <th scope="col" class="figure">Turns</th><th scope="col" class="figure">Cut off</th><th scope="col" class="figure">Troubles</th>
        <th scope="col" class="figure">Answered in</th><th scope="col">State</th></tr></thead>
      <tbody>${l.recordings.map(row)}</tbody>
    </table>` : html`<p class="none">${l ? none(l, f) : "Asking for the recordings …"}</p>`}
    ${l && l.total > l.recordings.length ? html`<p class="none">The newest ${l.recordings.length} of ${l.total}. Narrow the filter for others.</p>` : nothing}
    ${l && l.pending > 0 ? html`<p class="none" role="status">Reading ${l.pending} more …</p>` : nothing}
  </main>`;
}

function none(l: List, f: Filter): View {
  if (l.pending > 0) return nothing;
  return Object.values(f).some((v) => v !== "") ? html`No recording is like that. <a href=${toList(anything)}>Show all</a>`
    : html`There are no recordings yet. The server keeps conversations when it is started with --record.`;
}

function row(r: Recording): View {
  const f = r.facts;
  const figure = (n: number): View => html`<td class="figure ${n > 0 ? "" : "zero"}">${r.known && !r.wrong || n > 0 ? n : "–"}</td>`;
  return html`<tr>
    <th scope="row"><a href=${toSecond(r.id, 0)}>${when(r.start)}</a></th>
    <td class="figure" title=${size(r.bytes)}>${clock(r.length)}</td>
    <td class="said">${f.excerpt || html`<span class="id">${r.id}</span>`}</td>
    ${figure(f.turns)}${figure(f.interruptions)}${figure(f.troubles)}
    <td class="figure ${f.latency > 0 ? "" : "zero"}">${f.latency > 0 ? brief(f.latency) : "–"}</td>
    <td class="state">${badge(r)}</td>
  </tr>`;
}

function filterView(f: Filter, set: (f: Filter) => void): View {
  const on = (name: keyof Filter) => (e: Event): void => set({ ...f, [name]: (e.target as HTMLInputElement).value });
  const choice = (name: keyof Filter, label: string, options: readonly (readonly [value: string, text: string])[]): View => html`
    <label><span>${label}</span><select name=${name} @change=${on(name)}>
      ${options.map(([v, t]) => html`<option value=${v} ?selected=${f[name] === v}>${t}</option>`)}</select></label>`;
  return html`<form class="filter" role="search" @submit=${(e: Event) => e.preventDefault()}>
    <label class="wide"><span>Words</span><input type="search" name="text" .value=${f.text} @input=${on("text")} placeholder="said by either side" autocomplete="off"></label>
    ${choice("with", "With", [["", "anything"], ["interruptions", "interruptions"], ["holds", "pauses of the agent"], ["troubles", "troubles"]])}
    ${choice("state", "State", [["", "any"], ["live", "live"], ["closed", "closed"], ["killed", "cut off"], ["recovered", "recovered"]])}
    ${choice("least", "Length", [["", "any"], ["10", "10 s or more"], ["60", "1 min or more"], ["600", "10 min or more"]])}
    <label><span>From</span><input type="date" name="since" .value=${f.since} @change=${on("since")}></label>
    <label><span>To</span><input type="date" name="until" .value=${f.until} @change=${on("until")}></label>
  </form>`;
}

/** What a conversation's page can be asked to do. */
export interface Acts {
  play(at: number): void;
  toggle(): void;
  side(s: Side): void;
  zoom(by: number): void;
  speed(rate: number): void;
  open(turn: number, on: boolean): void;
  exact(): void;
  copy(what: "command" | "link"): void;
  keys(): void;
}

/** What goes on on it. */
export interface Now {
  readonly playing: boolean;
  readonly waiting: boolean;
  readonly side: Side;
  readonly peaks: Peaks | undefined;
  readonly decisions: ReadonlyMap<number, readonly Decision[]>;
  readonly open: ReadonlySet<number>;
  /** The turns whose words are elements: those that were in view. The others are text, which is made in a tenth of the time. */
  readonly seen: ReadonlySet<number>;
  readonly verdict: Verdict | "running" | undefined;
  readonly command: string;
}

/** The timeline: a class of its own draws into it. Keyed, so that every conversation has new elements. */
export function timelineView(id: string): View {
  return keyed(id, html`<section class="timeline" aria-label="Timeline">
    <canvas class="overview" aria-hidden="true"></canvas>
    <div class="scene">
      <canvas class="ground" aria-hidden="true"></canvas>
      <div class="waves" role="slider" tabindex="0" aria-label="Position" aria-valuemin="0" aria-valuenow="0"></div>
      <span class="of you" aria-hidden="true">Caller</span><span class="of agent" aria-hidden="true">Agent</span>
    </div>
    <canvas class="lanes" aria-hidden="true"></canvas>
  </section>`) as unknown as View;
}

/** What was said, turn by turn, and what is known beside that. */
export function callView(c: Call, now: Now, act: Acts): View {
  return html`<main class="call">
    ${factsView(c, now, act)}
    <ol class="turns" aria-label="Turns">${c.turns.map((t) => turnView(t, now, act))}</ol>
    ${c.ended ? html`<p class="none">${c.ended}</p>` : nothing}
  </main>`;
}

function factsView(c: Call, now: Now, act: Acts): View {
  const sums = (side: 0 | 1): View => html`<span class="classes">${classes.map((name, i) => {
    const s = now.peaks?.sums(side)[i] ?? 0;
    return s > 0.0005 ? html`<span class="class c${i}">${name} ${s < 60 ? brief(s) : length(s)}</span>` : nothing;
  })}</span>`;
  return html`<section class="facts" aria-label="About this recording">
    ${c.recording.wrong ? html`<p class="wrong">A part of it cannot be read: ${c.recording.wrong}</p>` : nothing}
    ${verdictView(now.verdict)}
    <dl>
      <div><dt class="you">Caller</dt><dd>${sums(0)}</dd></div>
      <div><dt class="agent">Agent</dt><dd>${sums(1)}</dd></div>
      <div><dt>Recorded by</dt><dd>${c.build || "an unknown build"}, ${c.recording.codec}</dd></div>
      <div><dt>Replay</dt><dd class="command"><code>${now.command}</code>
        <button class="small" @click=${() => act.copy("command")}>Copy</button>
        <button class="small" ?disabled=${now.verdict === "running" || c.recording.state === "live"} @click=${act.exact}>Run it here</button></dd></div>
      ${c.holes.map((h) => html`<div><dt>${h.lost ? "Log lost" : "Paused"}</dt><dd>${clock(h.from)} to ${clock(h.to)}: ${h.why}</dd></div>`)}
    </dl>
  </section>`;
}

function verdictView(v: Verdict | "running" | undefined): View {
  if (v === undefined) return html`<div role="status"></div>`;
  if (v === "running") return html`<div role="status"><p class="verdict">Running …</p></div>`;
  const words = !v.ran ? "It could not be run." : !v.equal ? "Different: a decision or event did not come out as it was recorded."
    : v.text ? "Equal as far as it could be run." : "Equal: every decision and event came out as it was recorded.";
  return html`<div role="status"><div class="verdict ${v.ran && v.equal ? "equal" : "different"}">
    <p><strong>${words}</strong> ${v.ran ? html`${v.events.toLocaleString()} events in ${brief(v.took)}, ${Math.round(v.faster).toLocaleString()} times as fast as it was.` : nothing}</p>
    ${v.text ? html`<pre tabindex="0">${v.text}</pre>` : nothing}
  </div></div>`;
}

function turnView(t: Turn, now: Now, act: Acts): View {
  const all = now.decisions.get(t.n) ?? [];
  const at = begin(t);
  return html`<li class="turn" data-turn=${t.n}>
    <button class="at" tabindex="-1" data-at=${at} aria-label="Play from ${clock(at)}" @click=${() => act.play(at)}>${clock(at)}</button>
    <div class="lines">
      ${t.user ? html`<p class="you"><span class="who">Caller</span><span class="text">${wordsView(now.seen.has(t.n) ? t.userWords : [], t.user)}</span></p>` : nothing}
      ${t.answer.heard || t.answer.generated ? html`<p class="agent"><span class="who">Agent</span><span class="text">${wordsView(now.seen.has(t.n) ? t.words : [], t.answer.heard)} ${restView(t)}</span></p>` : nothing}
      ${t.holds.map((h) => html`<p class="note ${h.outcome}">${holdText(h.outcome)} ${clock(h.from)} to ${clock(h.to)}: ${h.why}${h.because ? `; ${h.because}` : ""}</p>`)}
      ${t.troubles.map((e) => html`<p class="note trouble">${clock(e.at)} ${e.code}: ${e.text}</p>`)}
      ${all.length > 0 || t.timed ? html`<details ?open=${now.open.has(t.n)} @toggle=${(e: Event) => act.open(t.n, (e.target as HTMLDetailsElement).open)}>
        <summary>${all.length === 1 ? "1 decision" : `${all.length} decisions`}${t.timed ? html`<span class="long">, where the time went</span>` : nothing}</summary>
        ${now.open.has(t.n) ? html`${t.timed ? waterfallView(t) : nothing}${decisionsView(all, act)}` : nothing}
      </details>` : nothing}
    </div>
    ${t.timed ? html`<div class="answered" title="From the caller's last voice to the answer's first frame: ${brief(t.latency.sent)}, ${brief(t.latency.commit)} of it until the turn was taken as over">
      <span>${brief(t.latency.sent)}</span>${spark(t)}</div>` : html`<div class="answered"></div>`}
  </li>`;
}

function holdText(outcome: string): string {
  return { interrupt: "Interrupted,", resume: "Paused and went on," }[outcome] ?? "Paused,";
}

/** Words that play where they are said; the text itself where there are none. */
function wordsView(words: readonly Word[], text: string): View {
  if (words.length === 0) return html`${text}`;
  return html`${words.map((w) => html`<span class="w" data-at=${w.from} data-to=${w.to}>${w.text}</span> `)}`;
}

/** What was never heard. */
function restView(t: Turn): View {
  const { generated, heard, interrupted } = t.answer;
  const rest = generated.startsWith(heard) ? generated.slice(heard.length).trim() : "";
  if (!interrupted && !rest) return nothing;
  return html`${interrupted ? html`<span class="cut" title="The caller interrupted here">— </span>` : nothing}${rest ? html`<span class="rest" title="Never heard">${rest}</span>` : nothing}`;
}

/** The latency in small: what was waited for the end of the turn, and what came after it. Two seconds are the whole width. */
function spark(t: Turn): View {
  const whole = 2;
  const x = (s: number): number => Math.min(100, 100 * s / whole);
  return html`<svg class="spark" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
    <rect class="ground" width="100" height="6"/>
    <rect class="wait" width=${x(Math.min(t.latency.commit, t.latency.sent))} height="6"/>
    <rect class="make" x=${x(t.latency.commit)} width=${Math.max(0, x(t.latency.sent) - x(t.latency.commit))} height="6"/>
  </svg>`;
}

function waterfallView(t: Turn): View {
  const stages = waterfall(t.latency);
  const end = Math.max(...stages.map((s) => s.to), 0.001);
  return html`<table class="waterfall"><caption>From the caller's last voice to the answer's first frame</caption>
    ${stages.map((s) => html`<tr><th scope="row">${s.name}</th>
      <td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">${svg`<rect class="ground" width="100" height="8"/>
        <rect class="make" x=${100 * s.from / end} width=${Math.max(0.6, 100 * (s.to - s.from) / end)} height="8"/>`}</svg></td>
      <td class="figure">${brief(s.to - s.from)}</td><td class="figure soft">at ${brief(s.to)}</td></tr>`)}
  </table>`;
}

function decisionsView(all: readonly Decision[], act: Acts): View {
  if (all.length === 0) return nothing;
  return html`<table class="decisions"><caption>Decisions, and the inputs that made them</caption>
    <thead><tr><th scope="col">At</th><th scope="col">The agent</th><th scope="col">Because</th><th scope="col">Input</th></tr></thead>
    <tbody>${all.map((d) => html`<tr class=${d.kind}>
      <td><button class="at" @click=${() => act.play(d.at)} aria-label="Play from ${clock(d.at)}">${clock(d.at)}</button></td>
      <td>${did(d)}${d.text ? html` <q>${d.text}</q>` : nothing}</td><td>${d.reason || "–"}</td><td>${told(d.input)} <span class="soft">#${d.seq}</span></td></tr>`)}</tbody>
  </table>`;
}

/** The controls of the sound. */
export function controlsView(now: Now, act: Acts): View {
  const side = (s: Side, text: string): View => html`<button class="choice" aria-pressed=${now.side === s} @click=${() => act.side(s)}>${text}</button>`;
  return html`<footer class="controls">
    <button class="main play" aria-label=${now.playing ? "Pause" : "Play"} aria-busy=${now.waiting} @click=${act.toggle}>
      <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">${now.playing ? svg`<path d="M8 5v14M16 5v14"/>` : svg`<path d="M8 5l11 7-11 7Z"/>`}</svg></button>
    <p class="clock"><span class="position">0:00.0</span></p>
    <div class="group" role="group" aria-label="Whose sound">${side("both", "Both")}${side("caller", "Caller")}${side("agent", "Agent")}</div>
    <div class="group" role="group" aria-label="Zoom">
      <button class="choice" aria-label="Show less" @click=${() => act.zoom(2)}>+</button>
      <button class="choice" aria-label="Show more" @click=${() => act.zoom(0.5)}>−</button>
      <button class="choice" @click=${() => act.zoom(0)}>All</button>
    </div>
    <label class="speed"><span class="sr">Speed</span><select @change=${(e: Event) => act.speed(Number((e.target as HTMLSelectElement).value))}>
      ${[0.5, 0.75, 1, 1.5, 2].map((s) => html`<option value=${s} ?selected=${s === 1}>${s} ×</option>`)}</select></label>
    <button class="choice keys" @click=${act.keys}>Keys</button>
  </footer>`;
}

/** The keys, as they are told. */
export const keys: readonly (readonly [key: string, text: string])[] = [
  ["Space", "play or pause"], ["← →", "5 seconds back or on; with Shift 1 second"], [", .", "the word before or after"], ["J K", "the next turn or the one before"],
  ["N P", "the next interruption or the one before"], ["Home End", "the beginning or the end"], ["+ − 0", "show less, more or all"], ["1 2 3", "both sides, the caller, the agent"],
  ["D", "the decisions of this turn"], ["C", "copy the command that replays it"], ["L", "copy a link to this second"], ["X", "run it again exactly, here"], ["/", "to the list, and look for words"], ["Esc", "to the list"], ["?", "these keys"],
];

export function keysView(close: () => void): View {
  return html`<dialog class="help" aria-label="Keys" @click=${(e: Event) => e.target === e.currentTarget && close()} @close=${close}>
    <h2>Keys</h2>
    <dl>${keys.map(([k, text]) => html`<div><dt>${k.split(" ").map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${text}</dd></div>`)}</dl>
    <button class="quiet" @click=${close}>Close</button>
  </dialog>`;
}
