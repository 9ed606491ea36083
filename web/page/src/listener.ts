// Listening to a session: both voices, nothing sent.

import { Sound, type Levels } from "./sound.js";

/** A session as GET /sessions tells it. */
export interface Entry {
  readonly id: string;
  readonly state: string;
  readonly since: Date;
}

/** The sessions there are. Throws an Error with a sentence for the person at the page. */
export async function sessions(base: URL): Promise<Entry[]> {
  const response = await ask(new URL("sessions", base), { cache: "no-store" });
  const list: unknown = await response.json().catch(() => undefined);
  if (!Array.isArray(list)) throw new Error("What answers at this address is not parley.");
  return list.filter(isEntry).map((e) => ({ id: e.id, state: e.state, since: new Date(e.since) }));
}

function isEntry(v: unknown): v is { id: string; state: string; since: string } {
  return typeof v === "object" && v !== null && "id" in v && typeof v.id === "string"
    && "state" in v && typeof v.state === "string" && "since" in v && typeof v.since === "string";
}

/** A fetch whose refusals are errors with the server's sentence. */
async function ask(url: URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) }).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => undefined);
  const said = typeof body === "object" && body !== null && "error" in body ? String(body.error) : "";
  throw new Error(said || `The server refused: ${response.status}.`);
}

/** How long candidates are gathered, and how long connecting may take, in milliseconds. */
const gather = 1000;
const connect = 15_000;

/** One who listens. Make it while a click is being handled, or browsers keep its sound suspended. */
export class Listener {
  private readonly peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  private readonly caller: Sound;
  private readonly agent: Sound;
  private readonly now: Levels = { you: 0, agent: 0 };
  private place: URL | undefined; // what to delete at the end
  private closed = false;

  /** blocked is called when the browser will not play, ended when the session is over. */
  constructor(private readonly base: URL, readonly session: string, blocked: () => void, private readonly ended: () => void) {
    this.caller = new Sound(blocked);
    this.agent = new Sound(blocked);
    for (const sound of [this.caller, this.agent]) {
      const line = this.peer.addTransceiver("audio", { direction: "recvonly" });
      sound.play(line.receiver.track);
    }
  }

  /** Resolves when both voices are connected. Throws an Error with a sentence for the person at the page. */
  async start(): Promise<void> {
    await this.peer.setLocalDescription();
    await this.state("icegatheringstatechange", gather, () => this.peer.iceGatheringState === "complete");
    const response = await ask(new URL(`sessions/${encodeURIComponent(this.session)}/listen`, this.base), {
      method: "POST", headers: { "Content-Type": "application/sdp" }, body: this.peer.localDescription?.sdp ?? "",
    });
    const location = response.headers.get("Location");
    if (location) this.place = new URL(location, response.url);
    if (this.closed) return this.leave();
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    if (!(await this.state("connectionstatechange", connect, () => this.peer.connectionState === "connected"))) {
      throw new Error("The server answers, but no sound comes from it.");
    }
    this.peer.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(this.peer.connectionState) && !this.closed) this.ended();
    };
  }

  /** How loud the caller (you) and the agent are now. The object is the same each time. */
  levels(): Levels {
    this.now.you = this.caller.levels().agent;
    this.now.agent = this.agent.levels().agent;
    return this.now;
  }

  /** Tries again to play, while a click is being handled. */
  async resume(): Promise<void> {
    await Promise.all([this.caller.resume(), this.agent.resume()]);
  }

  /** Stops listening. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.leave();
    this.peer.close();
    this.caller.close();
    this.agent.close();
  }

  private leave(): void {
    if (this.place) void fetch(this.place, { method: "DELETE", keepalive: true }).catch(() => undefined);
    this.place = undefined;
  }

  /** Waits for a state of the peer: false if it does not come in time. */
  private state(event: string, milliseconds: number, reached: () => boolean): Promise<boolean> {
    const watched = new AbortController();
    return new Promise<boolean>((resolve) => {
      const look = (): void => {
        if (reached()) resolve(true);
      };
      const timer = setTimeout(() => resolve(false), milliseconds);
      watched.signal.addEventListener("abort", () => clearTimeout(timer));
      this.peer.addEventListener(event, look, { signal: watched.signal });
      look();
    }).finally(() => watched.abort());
  }
}
