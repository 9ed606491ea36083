// A conversation's timeline: waveforms, what lies around them, and the sound.

import type WaveSurfer from "wavesurfer.js/dist/wavesurfer.js";
import * as api from "./consoleapi.js";
import { ground, overviewHeight, palette, readable, Script, type Palette, type View } from "./consolelanes.js";
import { Peaks } from "./consolemodel.js";
import { looks, show, wave, type Colors } from "./consolewave.js";
import type { Call } from "./recordings.js";

/** A conversation up to so many seconds is seen as a whole at first; of a longer one as much as leaves its words readable. */
const whole = 60;
const most = 400; // pixels a second

export interface Parts {
  readonly overview: HTMLCanvasElement;
  readonly ground: HTMLCanvasElement;
  readonly waves: HTMLElement;
  readonly lanes: HTMLCanvasElement;
}

/** What a timeline tells. */
export interface Told {
  /** It plays or is set to another second. */
  time(at: number): void;
  /** It plays, or not, or there are more peaks. */
  changed(): void;
  /** Somebody chose a second. */
  chosen(at: number): void;
  trouble(text: string): void;
}

export class Timeline {
  readonly audio = new Audio();
  peaks: Peaks | undefined;
  private readonly wave: WaveSurfer;
  private readonly observer: ResizeObserver;
  private readonly scheme = matchMedia("(prefers-color-scheme: dark)");
  private readonly gone = new AbortController();
  private colors: Palette;
  private script: Script;
  private side: api.Side = "both";
  private perSecond = 0;
  private drawing = 0;
  private drawn: number; // height of a waveform
  private version = 0;
  private loading = false;
  private tries = 0; // since it has grown

  /** Shows a conversation from a second on. */
  constructor(private call: Call, private readonly parts: Parts, private readonly told: Told, at: number) {
    this.colors = palette(parts.waves);
    this.script = new Script(call);
    this.audio.preload = "none";
    this.audio.src = api.sound(this.id, this.side, this.version);
    this.wave = wave(parts.waves, this.audio, this.seconds, this.height, this.waveColors());
    for (const event of ["scroll", "redraw", "timeupdate", "seeking"] as const) this.wave.on(event, () => this.draw());
    this.wave.on("timeupdate", (at) => told.time(at));
    this.wave.on("interaction", (at) => told.chosen(at));
    const signal = this.gone.signal;
    for (const event of ["play", "pause", "ended", "waiting", "playing"]) this.audio.addEventListener(event, () => told.changed(), { signal });
    this.audio.addEventListener("error", () => told.trouble("The sound cannot be played."), { signal });
    this.scheme.addEventListener("change", () => this.recolor(), { signal });
    parts.overview.addEventListener("pointerdown", (e) => this.overview(e), { signal });
    parts.overview.addEventListener("pointermove", (e) => e.buttons & 1 && this.overview(e), { signal });
    parts.lanes.addEventListener("click", (e) => this.lane(e), { signal });
    this.drawn = this.height;
    this.observer = new ResizeObserver(() => (this.height === this.drawn ? this.draw() : this.recolor()));
    this.observer.observe(parts.lanes);
    this.perSecond = this.seconds > whole ? readable : 0;
    this.peaks = new Peaks(1, this.seconds);
    void this.show().then(() => {
      if (at > 0 && !this.gone.signal.aborted) this.seek(at);
    });
    void this.load();
  }

  private get id(): string {
    return this.call.recording.id;
  }

  private get seconds(): number {
    return Math.max(0.1, this.call.recording.length);
  }

  private get width(): number {
    return this.parts.lanes.clientWidth || 800;
  }

  private get height(): number {
    return Number.parseInt(getComputedStyle(this.parts.waves).getPropertyValue("--wave"), 10) || 56;
  }

  private waveColors(): Colors {
    return { caller: this.colors.you, agent: this.colors.agent, cursor: this.colors.ink };
  }

  private recolor(): void {
    this.drawn = this.height;
    this.colors = palette(this.parts.waves);
    this.wave.setOptions(looks(this.height, this.waveColors()));
    this.draw();
  }

  /** Reads the peaks, unless all are there, and shows them as they come. Those of before stay until they are overtaken. */
  private async load(): Promise<void> {
    const made = (this.peaks?.made ?? 0) * (this.peaks?.bucket ?? 0);
    if (this.loading || this.gone.signal.aborted || made > this.seconds - 0.5 && made > 0) return;
    this.loading = true;
    let fresh: Peaks | undefined;
    let shown = 0;
    try {
      await api.peaks(this.id, this.gone.signal, (bucket, piece) => {
        fresh ??= new Peaks(bucket, this.seconds);
        fresh.take(piece);
        const { from, to } = this.view;
        const [now, before] = [fresh.made * bucket, (this.peaks?.made ?? 0) * (this.peaks?.bucket ?? 0)];
        if (now < before) return;
        this.peaks = fresh;
        const news = now > from && shown < to && (now >= to || now - shown > (to - from) / 8); // drawing takes as long as all peaks are many
        if (!news) return;
        shown = now;
        void this.show();
      });
      if (fresh) this.peaks = fresh;
      await this.show();
      this.told.changed();
      const late = this.peaks && this.peaks.made * this.peaks.bucket < this.seconds - 0.5;
      if (late && this.tries++ < 5) setTimeout(() => void this.load(), 2000); // what the server has of a live one may be seconds old
    } catch (e) {
      if (!this.gone.signal.aborted) this.told.trouble(e instanceof Error ? e.message : String(e));
    } finally {
      this.loading = false;
    }
  }

  private async show(): Promise<void> {
    if (this.gone.signal.aborted || !this.peaks) return;
    const kept = this.wave.getScroll();
    this.wave.options.minPxPerSec = this.perSecond;
    await show(this.wave, this.audio.src, this.peaks, this.seconds);
    if (this.gone.signal.aborted) return;
    if (this.perSecond > 0) this.wave.setScroll(kept);
    this.draw();
  }

  /** Shows a conversation that has grown. */
  grow(call: Call): void {
    const longer = call.recording.length > this.call.recording.length;
    this.call = call;
    this.script = new Script(call);
    if (longer) this.tries = 0;
    if (longer && this.audio.paused) {
      this.version++;
      this.swap(this.side);
    }
    void this.load();
    this.draw();
  }

  private draw(): void {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      const v = this.view;
      ground(this.parts.ground, v, this.peaks, this.height, this.colors);
      this.script.draw(this.parts.lanes, v, this.at, this.colors);
      this.script.overview(this.parts.overview, v, this.seconds, this.at, this.colors);
    });
  }

  /** What is in view. */
  get view(): View {
    const width = this.width;
    const perSecond = Math.max(this.perSecond, width / this.seconds);
    const from = this.perSecond * this.seconds > width ? this.wave.getScroll() / perSecond : 0;
    return { from, to: from + width / perSecond, width };
  }

  get at(): number {
    return this.wave.getCurrentTime();
  }

  get playing(): boolean {
    return !this.audio.paused;
  }

  /** Goes to a second and brings it into view. */
  seek(at: number): void {
    const to = Math.min(Math.max(0, at), this.seconds);
    if (this.audio.readyState > 0) this.audio.currentTime = to; // the library forgets a seek that overtakes another
    else this.wave.setTime(to);
    this.reveal(to);
    this.told.time(to);
    this.draw();
  }

  private reveal(at: number): void {
    const v = this.view;
    const long = v.to - v.from;
    if (at < v.from + 0.02 * long || at > v.from + 0.9 * long) this.scroll(at - 0.25 * long);
  }

  /** Has a second at the left of what is in view. */
  private scroll(from: number): void {
    this.wave.setScroll(Math.max(0, from) * this.perSecond);
  }

  async play(): Promise<void> {
    try {
      await this.wave.play();
    } catch (e) {
      this.told.trouble(e instanceof Error && e.name === "NotAllowedError" ? "The browser does not play sound before you click." : "The sound cannot be played.");
    }
  }

  toggle(): void {
    if (this.playing) this.wave.pause();
    else void this.play();
  }

  get sound(): api.Side {
    return this.side;
  }

  /** Plays both sides, the caller left and the agent right, or one. */
  swap(side: api.Side): void {
    const [at, playing] = [this.at, this.playing];
    this.side = side;
    this.audio.src = api.sound(this.id, side, this.version);
    this.wave.setTime(at);
    if (playing) void this.play();
  }

  /** Shows more or less: by 2 half as long a stretch. 0: all. */
  zoom(by: number): void {
    const v = this.view;
    const middle = this.at >= v.from && this.at <= v.to ? this.at : (v.from + v.to) / 2;
    const all = this.width / this.seconds;
    const next = Math.min(most, Math.max(this.perSecond, all) * by);
    this.perSecond = by === 0 || next <= all * 1.01 ? 0 : next;
    const share = (middle - v.from) / (v.to - v.from);
    this.wave.zoom(this.perSecond);
    this.wave.options.minPxPerSec = this.perSecond;
    this.scroll(middle - share * (this.view.to - this.view.from));
    this.draw();
    this.told.changed();
  }

  set speed(rate: number) {
    this.wave.setPlaybackRate(rate);
  }

  private overview(e: PointerEvent): void {
    if (e.offsetY > overviewHeight) return;
    const at = e.offsetX / this.width * this.seconds;
    const long = this.view.to - this.view.from;
    this.scroll(at - long / 2);
    this.seek(at);
    this.told.chosen(at);
  }

  private lane(e: MouseEvent): void {
    const v = this.view;
    const at = v.from + e.offsetX / v.width * (v.to - v.from);
    const w = this.script.wordAt(at, e.offsetY < 22 ? 0 : 1);
    this.seek(w?.from ?? at);
    this.told.chosen(w?.from ?? at);
  }

  /** Ends it. */
  close(): void {
    this.gone.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    this.drawing = -1;
    this.wave.destroy();
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }
}
