// The page of recorded conversations. It is for the computer that the server runs on.

import { html, LitElement, nothing } from "lit";
import * as api from "./consoleapi.js";
import { parse, shell, toList, toSecond, type Filter, type Place } from "./consolelink.js";
import { begin, byTurn, lastBefore } from "./consolemodel.js";
import { clock, length, when } from "./consoletime.js";
import { Timeline } from "./consoletimeline.js";
import { badge, callView, controlsView, keysView, listView, timelineView, type Acts, type Now } from "./consoleviews.js";
import { sentence } from "./problem.js";
import type { Call, Decision, List, Verdict } from "./recordings.js";
import type { View } from "./views.js";

/** How often a list or a live conversation is asked for, and a list that is not complete, in milliseconds. */
const refresh = 2000;
const soon = 150;

/** The page. It renders into itself: its style is the document's. */
class Console extends LitElement {
  private place: Place = parse(location.hash);
  private recordings: List | undefined;
  private call: Call | undefined;
  private decisions: ReadonlyMap<number, readonly Decision[]> = new Map();
  private readonly open = new Set<number>();
  private readonly seen = new Set<number>();
  private readonly watched = new WeakSet<Element>();
  private readonly sight = new IntersectionObserver((all) => this.see(all.filter((e) => e.isIntersecting).map((e) => e.target)));
  private verdict: Verdict | "running" | undefined;
  private timeline: Timeline | undefined;
  private asked = new AbortController();
  private timer = 0;
  private trouble = "";
  private said = "";
  private help = false;
  private at = 0;
  private marked: Element[] = [];
  private noted = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("hashchange", () => this.go(parse(location.hash)));
    addEventListener("keydown", (e) => this.key(e));
    this.addEventListener("click", (e) => this.word(e));
    addEventListener("visibilitychange", () => document.hidden || this.again(0));
    this.again(0);
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override render(): View {
    const c = this.call;
    return html`
      ${c ? this.callHeader(c) : html`<header><h1><a href=".">parley</a></h1><p class="title">Recordings</p></header>`}
      <div class="alerts" role="alert">${this.trouble ? html`<div class="problem"><div><p>${this.trouble}</p></div>
        <button class="quiet dismiss" aria-label="Dismiss" @click=${() => this.say("")}>✕</button></div>` : nothing}</div>
      <p class="sr" role="status">${this.said}</p>
      ${this.place.id === undefined && this.trouble && !this.recordings ? html`<main></main>`
        : this.place.id === undefined ? listView(this.recordings, this.place.filter, { filter: (f) => this.filter(f) })
        : c ? html`${timelineView(c.recording.id)}${callView(c, this.now, this.acts)}${controlsView(this.now, this.acts)}`
        : html`<main><p class="none">${this.trouble ? nothing : "Opening the recording …"}</p></main>`}
      ${this.help ? keysView(() => this.keys(false)) : nothing}`;
  }

  private callHeader(c: Call): View {
    return html`<header class="one"><h1><a href=".">parley</a></h1><a class="back" href=${toList(this.place.filter)}>Recordings</a>
      <p class="title">${when(c.recording.start)} <span class="soft">${length(c.recording.length)}<span class="id"> · ${c.recording.id}</span></span></p>
      ${c.recording.state === "closed" && !c.recording.wrong ? nothing : badge(c.recording)}
      <button class="small" @click=${() => void this.copy("link")}>Copy link</button></header>`;
  }

  private get now(): Now {
    return {
      playing: this.timeline?.playing ?? false, waiting: (this.timeline?.playing ?? false) && (this.timeline?.audio.readyState ?? 4) < 3,
      side: this.timeline?.sound ?? "both", peaks: this.timeline?.peaks, decisions: this.decisions, open: this.open, seen: this.seen, verdict: this.verdict,
      command: this.call ? `parley replay exact ${shell(this.call.path)}` : "",
    };
  }

  private readonly acts: Acts = {
    play: (at) => {
      this.timeline?.seek(at);
      this.note(at);
      void this.timeline?.play();
    },
    toggle: () => this.timeline?.toggle(),
    side: (s) => {
      this.timeline?.swap(s);
      this.requestUpdate();
    },
    zoom: (by) => this.timeline?.zoom(by),
    speed: (rate) => {
      if (this.timeline) this.timeline.speed = rate;
    },
    open: (turn, on) => {
      if (this.open.has(turn) === on) return;
      if (on) this.open.add(turn);
      else this.open.delete(turn);
      this.requestUpdate();
      if (on) void this.updateComplete.then(() => this.querySelector(`.turn[data-turn="${turn}"] details`)?.scrollIntoView({ block: "nearest" }));
    },
    exact: () => void this.exact(),
    copy: (what) => void this.copy(what),
    keys: () => this.keys(!this.help),
  };

  protected override updated(): void {
    const c = this.call;
    const [overview, ground, lanes] = this.querySelectorAll<HTMLCanvasElement>(".timeline canvas");
    const waves = this.querySelector<HTMLElement>(".waves");
    if (c && !this.timeline && overview && ground && lanes && waves) this.begin(c, { overview, ground, waves, lanes });
    const dialog = this.querySelector("dialog");
    if (dialog && !dialog.open) dialog.showModal();
    if (!c) return;
    for (const t of this.querySelectorAll(".turn")) {
      if (this.watched.has(t)) continue;
      this.watched.add(t);
      this.sight.observe(t);
    }
    this.mark(this.at);
  }

  /** Notes which turns have come into view. */
  private see(turns: readonly Element[]): void {
    const before = this.seen.size;
    for (const t of turns) this.seen.add(Number((t as HTMLElement).dataset["turn"]));
    if (this.seen.size > before) this.requestUpdate();
  }

  private begin(c: Call, parts: { overview: HTMLCanvasElement; ground: HTMLCanvasElement; waves: HTMLElement; lanes: HTMLCanvasElement }): void {
    this.timeline = new Timeline(c, parts, {
      time: (at) => this.mark(at), changed: () => this.requestUpdate(), trouble: (text) => this.say(text), chosen: (at) => this.note(at),
    }, this.place.at);
    const at = this.place.at;
    if (at > 0) requestAnimationFrame(() => this.reveal(at, "center"));
    this.requestUpdate();
  }

  /** Goes where a link leads. */
  private go(p: Place): void {
    const same = p.id === this.place.id;
    this.place = p.id === undefined ? p : { ...p, filter: this.place.filter };
    if (same && p.id !== undefined) {
      this.timeline?.seek(p.at);
      this.reveal(p.at, "center");
      return;
    }
    if (!same) {
      this.timeline?.close();
      this.timeline = undefined;
      this.call = undefined;
      this.verdict = undefined;
      this.open.clear();
      this.seen.clear();
      this.at = 0;
      this.trouble = this.said = "";
    }
    document.title = p.id === undefined ? "parley: recordings" : `parley: ${p.id}`;
    this.requestUpdate();
    this.again(0);
  }

  private filter(f: Filter): void {
    history.replaceState(null, "", toList(f));
    this.place = { ...this.place, filter: f };
    this.again(soon);
    this.requestUpdate();
  }

  /** Asks again after so many milliseconds, and forgets what was asked before. */
  private again(wait: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.ask(), wait);
  }

  private async ask(): Promise<void> {
    this.asked.abort();
    const { signal } = this.asked = new AbortController();
    try {
      if (this.place.id === undefined) {
        this.recordings = await api.list(this.place.filter, signal);
        if (!document.hidden) this.again(this.recordings.pending > 0 ? soon : refresh);
      } else if (!this.call || this.call.recording.state === "live") {
        this.take(await api.call(this.place.id, signal));
      }
    } catch (e) {
      if (signal.aborted) return;
      this.say(words(e));
      if (this.place.id === undefined) this.recordings = undefined;
      if (e instanceof api.Refusal && e.status === 0) this.again(refresh);
    }
    if (!signal.aborted) this.requestUpdate();
  }

  private take(c: Call): void {
    this.call = c;
    this.decisions = byTurn(c);
    this.timeline?.grow(c);
    if (c.recording.state === "live" && !document.hidden) this.again(refresh);
  }

  /** Shows which second it is: the clock, and the word and turn that are said. */
  private mark(at: number): void {
    this.at = at;
    const c = this.call;
    const position = this.querySelector(".position");
    if (!c || !position) return;
    position.textContent = `${clock(at)} / ${clock(c.recording.length)}`;
    const slider = this.querySelector(".waves");
    slider?.setAttribute("aria-valuemax", String(Math.round(c.recording.length)));
    slider?.setAttribute("aria-valuenow", at.toFixed(1));
    slider?.setAttribute("aria-valuetext", clock(at));
    const turn = this.turn(at);
    if (turn) this.see([turn]);
    const word = [...turn?.querySelectorAll<HTMLElement>(".w") ?? []].find((w) => Number(w.dataset["at"]) <= at && at < Number(w.dataset["to"]));
    const marked = [turn, word].filter((e) => e !== undefined && e !== null);
    if (marked.length === this.marked.length && marked.every((e, i) => e === this.marked[i])) return;
    for (const e of this.marked) e.classList.remove("now");
    for (const e of marked) e.classList.add("now");
    if (turn && turn !== this.marked[0]) {
      for (const b of this.querySelectorAll(".turn > .at[tabindex='0']")) b.setAttribute("tabindex", "-1");
      turn.querySelector(".at")?.setAttribute("tabindex", "0");
      if (this.timeline?.playing) this.reveal(at, "nearest");
    }
    this.marked = marked;
  }

  /** The element of the turn that is said at a second, or the last before. */
  private turn(at: number): HTMLElement | null {
    const turns = this.call?.turns ?? [];
    const n = turns[Math.max(0, lastBefore(turns, begin, at + 1e-6))]?.n;
    return n === undefined ? null : this.querySelector(`.turn[data-turn="${n}"]`);
  }

  private reveal(at: number, block: ScrollLogicalPosition): void {
    this.turn(at)?.scrollIntoView({ block });
  }

  /** Has the address lead to this second. */
  private note(at: number): void {
    if (this.place.id === undefined) return;
    clearTimeout(this.noted);
    const { id } = this.place;
    this.noted = window.setTimeout(() => this.place.id === id && history.replaceState(null, "", toSecond(id, at)), 200);
  }

  private word(e: MouseEvent): void {
    const w = e.target instanceof Element ? e.target.closest<HTMLElement>(".w") : null;
    if (w && getSelection()?.isCollapsed !== false) this.acts.play(Number(w.dataset["at"]));
  }

  private async exact(): Promise<void> {
    const id = this.place.id;
    if (id === undefined || this.verdict === "running" || this.call?.recording.state === "live") return;
    this.verdict = "running";
    this.requestUpdate();
    let verdict: Verdict | undefined;
    try {
      verdict = await api.exact(id);
    } catch (e) {
      this.say(words(e));
    }
    if (this.place.id !== id) return;
    this.verdict = verdict;
    this.requestUpdate();
    this.querySelector("main")?.scrollTo({ top: 0 });
  }

  private async copy(what: "command" | "link"): Promise<void> {
    const id = this.place.id;
    if (id === undefined) return;
    const text = what === "command" ? this.now.command : new URL(toSecond(id, this.at), location.href).href;
    try {
      await navigator.clipboard.writeText(text);
      this.said = what === "command" ? "Command copied" : `Link to ${clock(this.at)} copied`;
    } catch {
      this.say(`The browser does not let this page copy. It is: ${text}`);
    }
    this.requestUpdate();
  }

  private keys(on: boolean): void {
    this.help = on;
    this.requestUpdate();
  }

  private say(trouble: string): void {
    this.trouble = trouble ? sentence(trouble) : "";
    this.requestUpdate();
  }

  private key(e: KeyboardEvent): void {
    const on = e.target instanceof Element ? e.target : document.body;
    if (e.ctrlKey || e.metaKey || e.altKey || this.help || on.closest("input, select, textarea")) return;
    if (e.key === " " && on.closest("button, summary, a")) return;
    const act = this.place.id === undefined ? this.listKey(e.key) : this.callKey(e.key, e.shiftKey);
    if (!act) return;
    e.preventDefault();
    act();
  }

  private listKey(key: string): (() => void) | undefined {
    if (key === "?") return () => this.keys(true);
    if (key === "/") { // when it is let go, or the field gets the character
      return () => addEventListener("keyup", () => this.querySelector<HTMLElement>("input[type=search]")?.focus(), { once: true });
    }
    const rows = [...this.querySelectorAll<HTMLElement>(".recordings a")];
    const at = rows.indexOf(document.activeElement as HTMLElement);
    if (key === "ArrowDown" || key === "j") return () => rows[Math.min(rows.length - 1, at + 1)]?.focus();
    if (key === "ArrowUp" || key === "k") return () => rows[Math.max(0, at - 1)]?.focus();
    return undefined;
  }

  private callKey(key: string, shift: boolean): (() => void) | undefined {
    const t = this.timeline;
    const by = shift ? 1 : 5;
    const to = (at: number | undefined) => (): void => {
      if (at === undefined) return;
      t?.seek(at);
      this.note(at);
      this.reveal(at, "nearest");
    };
    const turns = this.call?.turns ?? [];
    const cuts = turns.flatMap((t) => t.holds).filter((h) => h.outcome === "interrupt").map((h) => h.from);
    const next = (all: readonly number[], on: boolean): number | undefined => {
      const n = lastBefore(all, (v) => v, this.at + (on ? 0.01 : -0.06));
      return all[on ? n + 1 : Math.max(0, n)];
    };
    const said = (): number[] => turns.flatMap((t) => [...t.userWords, ...t.words]).map((w) => w.from).sort((a, b) => a - b);
    const acts: Record<string, () => void> = {
      " ": () => t?.toggle(), ArrowLeft: to(this.at - by), ArrowRight: to(this.at + by), Home: to(0), End: to(this.call?.recording.length),
      "+": () => t?.zoom(2), "=": () => t?.zoom(2), "-": () => t?.zoom(0.5), 0: () => t?.zoom(0),
      1: () => this.acts.side("both"), 2: () => this.acts.side("caller"), 3: () => this.acts.side("agent"),
      j: to(next(turns.map(begin), true)), k: to(next(turns.map(begin), false)), n: to(next(cuts, true)), p: to(next(cuts, false)),
      c: () => void this.copy("command"), l: () => void this.copy("link"), x: () => void this.exact(), "?": () => this.keys(true),
      d: () => this.turn(this.at)?.querySelector<HTMLElement>("summary")?.click(),
      Escape: () => this.leave(), "/": () => this.leave(() => this.querySelector<HTMLElement>("input[type=search]")?.focus()),
    };
    if (key === ",") return to(next(said(), false));
    if (key === ".") return to(next(said(), true));
    return acts[key.length === 1 ? key.toLowerCase() : key];
  }

  /** Goes back to the list. */
  private leave(then?: () => void): void {
    location.hash = toList(this.place.filter);
    if (then) setTimeout(then, soon);
  }
}

function words(e: unknown): string {
  return e instanceof Error ? e.message : String(e);
}

customElements.define("parley-console", Console);
