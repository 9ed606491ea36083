// The parts of the page as functions from what is to what is shown.

import { html, nothing, svg, type TemplateResult } from "lit";
import { patiences, type Patience } from "./patience.js";
import { checks, type AgentState, type Check, type Counters, type Latency, type Line, type Phase, type Problem, type Recording } from "./parley.js";

export type View = TemplateResult | typeof nothing;

const marks = {
  talk: svg`<path d="M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3Z"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3"/>`,
  muted: svg`<path d="M9 9v3a3 3 0 0 0 4.8 2.4M15 11V6a3 3 0 0 0-5.7-1.3"/><path d="M5.5 11.5a6.5 6.5 0 0 0 9.9 5.5M18.2 13.4c.2-.6.3-1.2.3-1.9M12 18v3M4 3l16 17"/>`,
  hangup: svg`<path d="M6 6l12 12M18 6L6 18"/>`,
  listen: svg`<path d="M4 14v-2a8 8 0 0 1 16 0v2"/><path d="M4 14h3v6H5a1 1 0 0 1-1-1ZM20 14h-3v6h2a1 1 0 0 0 1-1Z"/>`,
  pause: svg`<path d="M9 5v14M15 5v14"/>`,
  resume: svg`<circle cx="12" cy="12" r="5.5"/>`,
  send: svg`<path d="M5 12h13M12.5 6.5L18 12l-5.5 5.5"/>`,
};

/** A drawn mark beside a label. */
export function mark(name: keyof typeof marks): View {
  return html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">${marks[name]}</svg>`;
}

/** What goes on, in a word or two. */
export function status(phase: Phase, state: AgentState, muted: boolean, steady: boolean): string {
  switch (phase) {
    case "idle":
      return "Ready";
    case "asking":
      return "Asking for the microphone …";
    case "connecting":
      return "Connecting …";
    case "ended":
      return "Call ended";
    case "talking":
      if (!steady) return "Reconnecting …";
      if (muted && state === "listening") return "Muted";
      return { listening: "Listening", thinking: "Thinking", speaking: "Speaking" }[state];
  }
}

/** The last response time, and on demand where it went and how the connection is. */
export function figuresView(l: Latency | undefined, c: Counters | undefined): View {
  if (!l && !c) return nothing;
  return html`<details class="latency">
    <summary>${l ? html`<span class="long">answered in </span>${seconds(l.totalMs)}` : "connection"}</summary>
    <div class="panel">
      ${l ? table("Counted from your last sound", [
        ["You had finished", seconds(l.endpointMs)],
        ["Words recognized", seconds(l.textMs)],
        ["First word written", seconds(l.tokenMs)],
        ["First phrase written", seconds(l.phraseMs)],
        ["First sound made", seconds(l.audioMs)],
        ["First sound sent", seconds(l.totalMs)],
      ], "sum") : nothing}
      ${c ? table("The connection", [
        ["Round trip", c.rttMs > 0 ? `${c.rttMs.toFixed(0)} ms` : "–"],
        ["Lost on the way there", percent(c.up.loss)],
        ["Lost on the way back", percent(c.down.loss)],
        ["Your sound filled in", seconds(c.up.concealedMs)],
        ["Codec", c.codec],
      ], "") : nothing}
    </div>
  </details>`;
}

function table(title: string, rows: readonly (readonly [name: string, value: string])[], cls: string): View {
  return html`<table class=${cls}><caption>${title}</caption>
    ${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}
  </table>`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

/** The conversation so far. waiting: an answer is being thought of. */
export function logView(lines: readonly Line[], waiting: boolean): View {
  return html`${lines.map(lineView)}${waiting ? html`<li class="line agent"><span class="who">Agent</span>
    <p class="words"><span class="dots" role="img" aria-label="thinking"><i></i><i></i><i></i></span></p></li>` : nothing}`;
}

function lineView(l: Line): View {
  const name = l.who === "you" ? "You" : "Agent";
  return html`<li class="line ${l.who}"><span class="who">${name} <time>${clock(l.at)}</time></span>
    <p class="words ${l.done ? "" : "partial"}"><span class="heard">${l.text}</span>${l.interrupted ? cutView(l) : ahead(l.sent, l.rest)}</p></li>`;
}

/** The words of an answer beyond those that were heard: the voice has the first of them. */
function ahead(sent: string, rest: string): View {
  return html`${sent ? html`<span class="sent" title="With the voice, not heard yet">${sent}</span>` : nothing}${
    rest ? html`<span class="rest" title="Written, not with the voice yet">${rest}</span>` : nothing}`;
}

/** Where an answer was cut off, and its words that were never heard. */
function cutView(l: Line): View {
  const sent = l.sent.trim();
  const rest = sent ? l.rest : l.rest.trim();
  return html`<span class="cut" title="You interrupted here">&#8202;—<span class="sr"> interrupted</span></span>${
    sent || rest ? html` <s><span class="sr">not heard: </span>${
      sent ? html`<span class="sent" title="Was with the voice, not heard">${sent}</span>` : nothing}${
      rest ? html`<span class="rest" title="Written only">${rest}</span>` : nothing}</s>` : nothing}`;
}

/** A time of the call, as 1:05. */
function clock(milliseconds: number): string {
  const s = Math.floor(milliseconds / 1000);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

const names: Readonly<Record<Check, string>> = {
  microphone: "Microphone", server: "Server", path: "Network path", encryption: "Encryption", channel: "Captions",
};

/** What is wrong, what to try, and which step of connecting failed. */
export function problemView(p: Problem | undefined, act: { type(): void; dismiss(): void }): View {
  if (!p) return nothing;
  return html`<div class="problem ${p.fatal ? "fatal" : "passing"}">
    <div>
      <p><strong>${p.title}</strong> ${p.advice}</p>
      ${p.failed && p.failed !== "microphone" ? checksView(p.failed) : nothing}
      ${p.failed === "path" || p.failed === "encryption" ? html`<a href="check.html">Check the connection</a>` : nothing}
    </div>
    ${p.fatal && p.failed === "microphone" ? html`<button class="quiet" @click=${act.type}>Type instead</button>` : nothing}
    ${p.fatal ? nothing : html`<button class="quiet dismiss" aria-label="Dismiss" @click=${act.dismiss}>${mark("hangup")}</button>`}
  </div>`;
}

function checksView(failed: Check): View {
  const at = checks.indexOf(failed);
  return html`<ol class="checks" aria-label="Steps of connecting">
    ${checks.map((c, i) => {
      const [cls, word] = i < at ? ["good", "works"] : i === at ? ["bad", "failed"] : ["", "not tried"];
      return html`<li class=${cls}>${names[c]}<span class="sr">: ${word}</span></li>`;
    })}
  </ol>`;
}

/** What becomes of what is said, in a sentence. */
export function recordingText(r: Recording): string {
  if (r.on) return "This conversation is recorded.";
  return r.by === "operator" ? "Recording paused by the operator." : "Recording paused.";
}

/** The notice of a recording, and while the call lasts the button that pauses it. A pause of the operator's is theirs to end. */
export function recordingView(r: Recording | undefined, talking: boolean, allow: (on: boolean) => void): View {
  if (!r) return nothing;
  return html`<div class="recording" ?data-paused=${!r.on}>
    <p class="recorded"><i class="dot"></i>${recordingText(r)}</p>
    ${talking ? html`<button class="quiet pause" ?disabled=${!r.on && r.by === "operator"} @click=${() => allow(!r.on)}>
      ${mark(r.on ? "pause" : "resume")}<span>${r.on ? "Pause recording" : "Resume recording"}</span></button>` : nothing}
  </div>`;
}

/** The choice of how patient the agent is. used: the one of the call that goes on, if one does. */
export function patienceView(chosen: Patience, used: Patience | undefined, choose: (name: string) => void): View {
  return html`<label class="patience ${used ? "calling" : ""}"><span>Patience</span>
    <select @change=${(e: Event) => choose((e.target as HTMLSelectElement).value)}>
      ${patiences.map((p) => html`<option value=${p.name} ?selected=${p === chosen}>${p.label}: ${p.meaning}</option>`)}
    </select>
    ${used && used !== chosen ? html`<span class="later">from the next call on</span>` : nothing}
  </label>`;
}

/** What is shown before the first conversation. */
export function heroView(): View {
  return html`<section class="hero">
    <h2>Say something.</h2>
    <p>Press Talk, allow the microphone, and speak as you would to a person. You can cut in at any time.</p>
  </section>`;
}

/** The level of one side. A loop that draws finds it by its class. */
export function meterView(side: string, name: string): View {
  return html`<div class="meter ${side}" aria-hidden="true"><div class="ticks"></div><div class="ticks lit"></div><span>${name}</span></div>`;
}
