// What is drawn around the waveforms, of the stretch that is in view: the axis, the classes of the sound, words, turns and pauses.

import { begin, classes, lastBefore, words, type Peaks } from "./consolemodel.js";
import { clock, step } from "./consoletime.js";
import type { Call, Hold, Turn, Word } from "./recordings.js";

export const axisHeight = 22;
const rowHeight = 22;
const markHeight = 16;
export const lanesHeight = 2 * rowHeight + markHeight;
export const overviewHeight = 30;

/** From so many pixels a second on, each word has room at its place: people say fifteen letters a second. */
export const readable = 100;

/** The stretch that is in view. */
export interface View {
  readonly from: number;
  readonly to: number;
  readonly width: number;
}

/** The colors of the page, by their names in the style. */
export type Palette = Readonly<Record<"paper" | "ink" | "soft" | "line" | "you" | "agent" | "stop" | "warn" | "focus", string>>;

export function palette(of: Element): Palette {
  const s = getComputedStyle(of);
  const names = ["paper", "ink", "soft", "line", "you", "agent", "stop", "warn", "focus"] as const;
  return Object.fromEntries(names.map((n) => [n, s.getPropertyValue(`--${n}`).trim()])) as Palette;
}

/** A drawing area as wide as its element and so many pixels high, ready in pixels of the page. */
function area(canvas: HTMLCanvasElement, height: number): { ctx: CanvasRenderingContext2D; width: number } | undefined {
  const width = canvas.clientWidth;
  const ctx = canvas.getContext("2d");
  if (!ctx || width === 0) return undefined;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  return { ctx, width };
}

const toX = (v: View) => (t: number): number => (t - v.from) / Math.max(1e-6, v.to - v.from) * v.width;

/** The colors of the classes, in the server's order; received has none. */
export function shade(cls: number, p: Palette): string | undefined {
  return [undefined, p.focus, p.stop, p.soft, p.warn, p.soft][cls];
}

const paused = 3;
const notCaptured = 5;

/** Slanted lines. */
function hatch(ctx: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, color: string): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, w, h);
  ctx.clip();
  ctx.globalAlpha = 0.45;
  ctx.strokeStyle = color;
  ctx.beginPath();
  for (let at = x - h; at < x + w; at += 7) {
    ctx.moveTo(at, y + h);
    ctx.lineTo(at + h, y);
  }
  ctx.stroke();
  ctx.restore();
}

/** The axis, and under the waveforms the classes of their sound. */
export function ground(canvas: HTMLCanvasElement, v: View, peaks: Peaks | undefined, waveHeight: number, p: Palette): void {
  const a = area(canvas, axisHeight + 2 * waveHeight);
  if (!a) return;
  const { ctx } = a;
  const x = toX(v);
  for (const side of [0, 1] as const) {
    const top = axisHeight + side * waveHeight;
    peaks?.stretches(side, v.from, v.to, (cls, from, to) => {
      const [left, right] = [Math.max(0, x(from)), Math.min(v.width, x(to))];
      const color = shade(cls, p);
      const width = Math.max(1, right - left);
      if (!color) {
        if (cls >= classes.length) bar(ctx, left, top, width, waveHeight, p.line, 0.35);
        return;
      }
      bar(ctx, left, top, width, waveHeight, color, 0.13);
      if (cls === notCaptured) hatch(ctx, left, top, width, waveHeight, color);
      else if (cls !== paused) bar(ctx, left, top + waveHeight - 3, width, 3, color, 0.9);
    });
    if (peaks && peaks.made * peaks.bucket < v.to) {
      const left = Math.max(0, x(peaks.made * peaks.bucket));
      bar(ctx, left, top, v.width - left, waveHeight, p.line, 0.35);
    }
  }
  ctx.fillStyle = p.line;
  ctx.fillRect(0, axisHeight + waveHeight, v.width, 1);
  axis(ctx, v, p);
}

function axis(ctx: CanvasRenderingContext2D, v: View, p: Palette): void {
  const x = toX(v);
  const apart = step(v.width / Math.max(1e-6, v.to - v.from), 72);
  ctx.font = "11px ui-sans-serif, system-ui, sans-serif";
  ctx.textBaseline = "middle";
  for (let n = Math.ceil(v.from / apart - 1e-6); n * apart <= v.to; n++) {
    const at = Math.round(x(n * apart)) + 0.5;
    bar(ctx, at - 0.5, axisHeight - 5, 1, 5, p.soft, 0.8);
    ctx.fillStyle = p.soft;
    const text = apart < 1 ? clock(n * apart) : clock(n * apart).replace(/\.0$/, "");
    const width = ctx.measureText(text).width;
    ctx.fillText(text, Math.min(Math.max(0, at - width / 2), v.width - width), 8);
  }
}

function bar(ctx: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, color: string, alpha: number): void {
  ctx.globalAlpha = alpha;
  ctx.fillStyle = color;
  ctx.fillRect(x, y, w, h);
  ctx.globalAlpha = 1;
}

/** What lies in a lane: a stretch of one side with its words. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** A conversation as the lanes need it. */
export class Script {
  readonly words: readonly Word[];
  private readonly said: readonly (readonly Stretch[])[];
  private readonly holds: readonly Hold[];

  constructor(readonly call: Call) {
    this.words = words(call.turns);
    this.said = [call.turns.flatMap(voices), call.turns.filter((t) => t.spoken.to > t.spoken.from).map((t) => ({ ...t.spoken, text: t.answer.heard }))];
    this.holds = call.turns.flatMap((t) => t.holds);
  }

  /** The words of both sides and, below, the pauses, failures and holes. At is where it plays. */
  draw(canvas: HTMLCanvasElement, v: View, at: number, p: Palette): void {
    const a = area(canvas, lanesHeight);
    if (!a) return;
    const { ctx } = a;
    const single = v.width / Math.max(1e-6, v.to - v.from) >= 0.99 * readable;
    [p.you, p.agent].forEach((color, row) => {
      for (const s of this.said[row] ?? []) if (s.to >= v.from && s.from <= v.to) this.stretch(ctx, v, s, row, color, single ? undefined : p.ink);
    });
    if (single) this.singly(ctx, v, at, p);
    this.marks(ctx, v, p);
    bar(ctx, toX(v)(at) - 1, 0, 2, lanesHeight, p.ink, at >= v.from && at <= v.to ? 1 : 0);
  }

  /** A stretch of voice, with its text if there is a color for that. */
  private stretch(ctx: CanvasRenderingContext2D, v: View, s: Stretch, row: number, color: string, ink: string | undefined): void {
    const x = toX(v);
    const [left, width, top] = [x(s.from), Math.max(2, x(s.to) - x(s.from)), row * rowHeight + 2];
    bar(ctx, left, top, width, rowHeight - 4, color, 0.2);
    const start = Math.max(0, left) + 5;
    if (!ink || left + width - start < 30) return;
    ctx.font = "12px ui-sans-serif, system-ui, sans-serif";
    ctx.textBaseline = "middle";
    ctx.fillStyle = ink;
    ctx.fillText(cut(ctx, s.text, left + width - start - 4), start, top + rowHeight / 2 - 2);
  }

  /** Each word at its place. */
  private singly(ctx: CanvasRenderingContext2D, v: View, at: number, p: Palette): void {
    const x = toX(v);
    ctx.font = "11px ui-sans-serif, system-ui, sans-serif";
    ctx.textBaseline = "middle";
    const turns = this.call.turns;
    for (const [row, of] of [(t: Turn) => t.userWords, (t: Turn) => t.words].entries()) {
      for (const t of turns) for (const w of of(t)) {
        if (w.to < v.from || w.from > v.to) continue;
        const top = row * rowHeight + 2;
        if (w.from <= at && at < w.to) bar(ctx, x(w.from), top, Math.max(3, x(w.to) - x(w.from)), rowHeight - 4, row === 0 ? p.you : p.agent, 0.35);
        ctx.fillStyle = p.ink;
        ctx.fillText(w.text, x(w.from) + 1, top + rowHeight / 2 - 2, Math.max(8, x(w.to) - x(w.from) + 3));
      }
    }
  }

  private marks(ctx: CanvasRenderingContext2D, v: View, p: Palette): void {
    const x = toX(v);
    const top = 2 * rowHeight + 3;
    bar(ctx, 0, 2 * rowHeight, v.width, 1, p.line, 1);
    for (const h of this.holds) {
      bar(ctx, x(h.from), top, Math.max(3, x(h.to) - x(h.from)), markHeight - 6, h.outcome === "interrupt" ? p.stop : p.warn, 0.85);
    }
    for (const h of this.call.holes) bar(ctx, x(h.from), top, Math.max(2, x(h.to) - x(h.from)), markHeight - 6, p.soft, 0.4);
    ctx.font = "bold 12px ui-sans-serif, system-ui, sans-serif";
    ctx.fillStyle = p.stop;
    for (const t of this.call.turns) for (const e of t.troubles) ctx.fillText("✕", x(e.at) - 4, top + 5);
  }

  /** The whole conversation in small, with what is in view. */
  overview(canvas: HTMLCanvasElement, v: View, seconds: number, at: number, p: Palette): void {
    const a = area(canvas, overviewHeight);
    if (!a) return;
    const { ctx, width } = a;
    const x = toX({ from: 0, to: seconds, width });
    const half = overviewHeight / 2;
    [p.you, p.agent].forEach((color, row) => {
      for (const s of this.said[row] ?? []) bar(ctx, x(s.from), row * half + 3, Math.max(1, x(s.to) - x(s.from)), half - 6, color, 0.75);
    });
    for (const h of this.holds) if (h.outcome === "interrupt") bar(ctx, x(h.to) - 1, half - 4, 2, 8, p.stop, 1);
    if (v.to - v.from < 0.99 * seconds) {
      bar(ctx, x(v.from), 0, Math.max(2, x(v.to) - x(v.from)), overviewHeight, p.focus, 0.14);
      ctx.strokeStyle = p.focus;
      ctx.strokeRect(x(v.from) + 0.5, 0.5, Math.max(2, x(v.to) - x(v.from)) - 1, overviewHeight - 1);
    }
    bar(ctx, x(at) - 1, 0, 2, overviewHeight, p.ink, 1);
  }

  /** The word that is said at a second. */
  wordAt(at: number, row: 0 | 1): Word | undefined {
    const t = this.call.turns[Math.max(0, lastBefore(this.call.turns, begin, at))];
    return (row === 0 ? t?.userWords : t?.words)?.find((w) => w.from <= at && at < w.to);
  }
}

/** As much of a text as fits. */
function cut(ctx: CanvasRenderingContext2D, text: string, width: number): string {
  if (ctx.measureText(text).width <= width) return text;
  let n = Math.floor(text.length * width / ctx.measureText(text).width);
  while (n > 0 && ctx.measureText(text.slice(0, n) + "…").width > width) n--;
  return n > 1 ? text.slice(0, n).trimEnd() + "…" : "";
}

/** The stretches of the caller's voice in a turn, its text with the first. */
function voices(t: Turn): Stretch[] {
  const all = t.voice.length > 0 ? t.voice : t.userWords.length > 0 ? [{ from: t.userWords[0]?.from ?? 0, to: t.userWords.at(-1)?.to ?? 0 }] : [];
  return [...all.map((s, i) => ({ ...s, text: i === 0 ? t.user : "" })), ...t.asides.map((s) => ({ ...s, text: "" }))];
}
