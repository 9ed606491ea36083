// The parts of the page as functions from what is to what is shown.

import { html, nothing, svg, type TemplateResult } from "lit";
import { checks, type AgentState, type Check, type Latency, type Line, type Phase, type Problem } from "./parley.js";

export type View = TemplateResult | typeof nothing;

const marks = {
  talk: svg`<path d="M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3Z"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3"/>`,
  muted: svg`<path d="M9 9v3a3 3 0 0 0 4.8 2.4M15 11V6a3 3 0 0 0-5.7-1.3"/><path d="M5.5 11.5a6.5 6.5 0 0 0 9.9 5.5M18.2 13.4c.2-.6.3-1.2.3-1.9M12 18v3M4 3l16 17"/>`,
  hangup: svg`<path d="M6 6l12 12M18 6L6 18"/>`,
  send: svg`<path d="M5 12h13M12.5 6.5L18 12l-5.5 5.5"/>`,
};

/** A drawn mark beside a label. */
export function mark(name: keyof typeof marks): View {
  return html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">${marks[name]}</svg>`;
}

/** What goes on, in a word or two. */
export function status(phase: Phase, state: AgentState, muted: boolean): string {
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
      if (muted && state === "listening") return "Muted";
      return { listening: "Listening", thinking: "Thinking", speaking: "Speaking" }[state];
  }
}

/** The last response time, and on demand where it went. */
export function latencyView(l: Latency | undefined): View {
  if (!l) return nothing;
  const rows: [string, number][] = [
    ["You had finished", l.endpointMs],
    ["Words recognized", l.textMs],
    ["First word written", l.tokenMs],
    ["First phrase written", l.phraseMs],
    ["First sound made", l.audioMs],
    ["First sound sent", l.totalMs],
  ];
  return html`<details class="latency">
    <summary><span class="long">answered in </span>${seconds(l.totalMs)}</summary>
    <div class="panel">
      <p id="counted">Counted from your last sound</p>
      <table aria-labelledby="counted">
        ${rows.map(([name, ms]) => html`<tr><th scope="row">${name}</th><td>${seconds(ms)}</td></tr>`)}
      </table>
    </div>
  </details>`;
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
  return html`<li class="line ${l.who}"><span class="who">${name}</span>
    <p class="words ${l.done ? "" : "partial"}"><span class="heard">${l.text}</span>${restView(l)}</p></li>`;
}

function restView(l: Line): View {
  if (l.interrupted) return html`<span class="cut" title="You interrupted here">&#8202;—<span class="sr"> interrupted</span></span>`;
  return l.rest ? html`<span class="rest">${l.rest}</span>` : nothing;
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

/** What is shown before the first conversation. */
export function heroView(): View {
  return html`<section class="hero">
    <h2>Say something.</h2>
    <p>Press Talk, allow the microphone, and speak as you would to a person. You can cut in at any time.</p>
  </section>`;
}
