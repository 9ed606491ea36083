// The waveforms, drawn by wavesurfer.js.

import WaveSurfer from "wavesurfer.js/dist/wavesurfer.js";
import Renderer from "wavesurfer.js/dist/renderer.js";
import type { Peaks } from "./consolemodel.js";

/** The library's own style, as its renderer has it. It writes that into a style element, which the server's policy refuses. */
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { user-select: none; min-width: 1px; }
  .scroll { overflow-x: auto; overflow-y: hidden; width: 100%; position: relative; }
  .noScrollbar { scrollbar-width: none; }
  .wrapper { position: relative; overflow: visible; z-index: 2; }
  .canvases { pointer-events: none; }
  .canvases > div, .progress > div { position: relative; }
  canvas { display: block; position: absolute; top: 0; image-rendering: pixelated; }
  .progress { pointer-events: none; position: absolute; z-index: 2; top: 0; left: 0; width: 0; height: 100%; overflow: hidden; }
  .cursor { pointer-events: none; position: absolute; z-index: 5; top: 0; left: 0; height: 100%; }
`);

Object.assign(Renderer.prototype, {
  initHtml(): [HTMLElement, ShadowRoot] {
    const host = document.createElement("div");
    const root = host.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    const part = (name: string, parent: Node): HTMLElement => {
      const e = document.createElement("div");
      e.className = name;
      e.setAttribute("part", name);
      return parent.appendChild(e);
    };
    const wrapper = part("wrapper", part("scroll", root));
    for (const name of ["canvases", "progress", "cursor"]) part(name, wrapper);
    return [host, root];
  },
});

export interface Colors {
  readonly caller: string;
  readonly agent: string;
  readonly cursor: string;
}

/** Makes the waveforms of both sides in an element, above each other, each so many pixels high, for so many seconds. */
export function wave(container: HTMLElement, media: HTMLAudioElement, duration: number, height: number, c: Colors): WaveSurfer {
  return WaveSurfer.create({
    container, media, peaks: [[0], [0]], duration, cursorWidth: 2, hideScrollbar: true, dragToSeek: true, autoCenter: false, ...looks(height, c),
  });
}

/** The options that depend on colors and size. */
export function looks(height: number, c: Colors): Pick<WaveSurfer["options"], "height" | "cursorColor" | "splitChannels" | "renderFunction"> {
  const side = (color: string) => ({ height, waveColor: color, progressColor: color });
  return { height, cursorColor: c.cursor, splitChannels: [side(c.caller), side(c.agent)], renderFunction: draw };
}

/** Draws from the least to the greatest sample of each column. */
function draw(channels: (Float32Array | number[])[], ctx: CanvasRenderingContext2D): void {
  const v = channels[0] ?? [];
  const { width, height } = ctx.canvas;
  const middle = height / 2;
  for (let x = 0; x < width; x++) {
    let [low, high] = [0, 0];
    const end = Math.max(Math.floor(x * v.length / width) + 1, Math.ceil((x + 1) * v.length / width));
    for (let i = Math.floor(x * v.length / width); i < end; i++) {
      low = Math.min(low, v[i] ?? 0);
      high = Math.max(high, v[i] ?? 0);
    }
    const top = Math.min(middle - 0.5, middle - loud(high) * middle);
    ctx.fillRect(x, top, 1, Math.max(1, middle + loud(-low) * middle - top));
  }
}

/** Speech on a telephone is quiet: small samples are drawn larger than they are. */
function loud(v: number): number {
  return 0.95 * Math.sqrt(Math.max(0, Math.min(1, v)));
}

/** Shows peaks, or more of them. A later call overtakes an earlier one. */
export async function show(w: WaveSurfer, src: string, p: Peaks, seconds: number): Promise<void> {
  try {
    await w.load(src, p.sides, seconds);
  } catch (e) {
    if (!(e instanceof DOMException && e.name === "AbortError")) throw e;
  }
}
