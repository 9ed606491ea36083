// The level meters: one loop that draws both sides, without allocation.

import type { Levels } from "./sound.js";

const floor = -60; // dBFS at which a meter is empty
const full = -12; // dBFS at which it is full
const steps = 60;
const frame = 1000 / 60;

/** The clip of each step of a meter that grows to the left, and to the right. */
const left = table((hidden) => `inset(0 0 0 ${hidden}%)`);
const right = table((hidden) => `inset(0 ${hidden}% 0 0)`);

function table(clip: (hidden: number) => string): readonly string[] {
  return Array.from({ length: steps + 1 }, (_, i) => clip(100 - (100 * i) / steps));
}

/** How much of a meter a level (RMS, 0 to 1) fills, 0 to 1. */
export function fill(level: number): number {
  const decibels = 20 * Math.log10(level + 1e-9);
  return Math.min(1, Math.max(0, (decibels - floor) / (full - floor)));
}

class Bar {
  private value = 0;
  private shown = -1;

  constructor(private readonly element: HTMLElement, private readonly clips: readonly string[]) {}

  /** Rises at once and falls slowly. milliseconds: since the last call. */
  draw(level: number, milliseconds: number): void {
    this.value = Math.max(fill(level), this.value - (0.03 * milliseconds) / frame);
    const step = Math.round(Math.max(0, this.value) * steps);
    if (step === this.shown) return;
    this.shown = step;
    this.element.style.clipPath = this.clips[step] ?? "";
  }
}

/** Draws levels on two elements until stopped. */
export class Meters {
  private readonly you: Bar;
  private readonly agent: Bar;
  private request = 0;
  private last = 0;

  constructor(private readonly source: { levels(): Levels }, you: HTMLElement, agent: HTMLElement) {
    this.you = new Bar(you, left);
    this.agent = new Bar(agent, right);
    this.draw(0, 0);
  }

  start(): void {
    if (this.request === 0) this.request = requestAnimationFrame(this.tick);
  }

  stop(): void {
    cancelAnimationFrame(this.request);
    this.request = 0;
    this.draw(0, 1e6);
  }

  private readonly tick = (now: number): void => {
    this.request = requestAnimationFrame(this.tick);
    this.draw(now, now - this.last);
  };

  private draw(now: number, passed: number): void {
    const levels = this.source.levels();
    this.you.draw(levels.you, passed);
    this.agent.draw(levels.agent, passed);
    this.last = now;
  }
}
