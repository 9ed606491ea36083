// The client: one conversation with an agent at a time. It uses WebRTC and Web Audio and no element of
// the page it runs in.

import { Call, type Timeouts } from "./call.js";
import { parse } from "./messages.js";
import { listMicrophones, openMicrophone, reachable, type Microphone } from "./microphone.js";
import { Failure, problem, sentence, told, type Code, type Problem } from "./problem.js";
import type { Counters, Hello, Latency, Message, Recording } from "./schema.js";
import { Sound, type Levels } from "./sound.js";
import { Lag, noStats, summarize, type CallStats } from "./stats.js";
import { apply, settle, type Line } from "./transcript.js";
import { SilenceWatch } from "./watch.js";

/** idle, then asking for the microphone, connecting, talking, ended. A call that never came through goes back to idle. */
export type Phase = "idle" | "asking" | "connecting" | "talking" | "ended";

/** What the agent does while talking. */
export type AgentState = "listening" | "thinking" | "speaking";

/** The events of a Conversation. All but message only say that the property of that name has changed. */
export interface ConversationEvents {
  phase: Event;
  hello: Event;
  state: Event;
  transcript: Event;
  latency: Event;
  counters: Event;
  steady: Event;
  problem: Event;
  muted: Event;
  recording: Event;
  microphones: Event;
  /** Each well-formed message of the server, after it has taken effect. */
  message: CustomEvent<Message>;
}

export interface Options {
  /** Where the server is: POST offer is sent to this address. Default: where the page came from. */
  readonly url?: string | URL;
  readonly iceServers?: RTCIceServer[];
}

export interface Conversation {
  addEventListener<K extends keyof ConversationEvents>(
    type: K, listener: (event: ConversationEvents[K]) => void, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof ConversationEvents>(
    type: K, listener: (event: ConversationEvents[K]) => void, options?: boolean | EventListenerOptions): void;
}

/**
 * A conversation with an agent by voice.
 *
 *     const c = new Conversation({ url: "https://agent.example/" });
 *     c.addEventListener("transcript", () => show(c.transcript));
 *     button.onclick = () => c.connect();
 *
 * Call connect while a click is being handled, so that the browser allows sound, and hangup when the
 * page goes away.
 */
export class Conversation extends EventTarget {
  /** Limits for the steps of connecting. */
  readonly timeouts: Timeouts = { gather: 1000, answer: 10_000, relay: 2000, connect: 15_000 };

  phase: Phase = "idle";
  state: AgentState = "listening";
  /** The server's greeting: its session's id, its build and engines. */
  hello: Hello | undefined;
  transcript: readonly Line[] = [];
  latency: Latency | undefined;
  /** The server's figures of the call's media, every two seconds. */
  counters: Counters | undefined;
  /** False while the path to the server is lost and being mended: the call goes on when it is back. */
  steady = true;
  /** What is wrong now, in words. A fatal one stays until the next connect. */
  problem: Problem | undefined;
  /** Why the call ended, in the server's words: empty if it said nothing. */
  reason = "";
  muted = false;
  /** The recording of this conversation: whether it goes on, and whose doing that is. Undefined: it is not recorded. */
  recording: Recording | undefined;
  microphones: readonly Microphone[] = [];
  /** The chosen microphone: empty for the system's choice. */
  microphone = "";
  /**
   * How patient the agent is in calls from the next one on: a factor, 0.5 to 3, of the silences that end your turn. Undefined:
   * as the server has it.
   */
  patience: number | undefined;
  /** The call has no microphone: one types. */
  voiceless = false;

  private readonly base: URL;
  private call: Call | undefined;
  private sound: Sound | undefined;
  private track: MediaStreamTrack | undefined;
  private silence = new SilenceWatch();
  private lag = new Lag();
  private checks = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly still: Levels = { you: 0, agent: 0 };

  constructor(private readonly options: Options = {}) {
    super();
    this.base = new URL(options.url ?? ".", location.href);
    if (reachable()) navigator.mediaDevices.addEventListener("devicechange", () => void this.devicesChanged());
    void this.list();
  }

  /**
   * Begins a conversation: true when it is up. On false, problem says why; it is unset after a hangup.
   * voiceless: without a microphone, to type and to listen. Does nothing while one goes on.
   */
  async connect(voiceless = false): Promise<boolean> {
    if (this.call || this.phase === "asking") return false;
    const patience = this.patience;
    this.begin(voiceless);
    const sound = this.sound;
    try {
      const track = await this.firstTrack(voiceless);
      if (!track || this.sound !== sound) {
        track?.stop();
        return false;
      }
      this.use(track);
      this.to("connecting");
      this.call = this.dial(track);
      await this.call.connect(patience);
      if (this.muted) this.call.send({ type: "mute", on: true });
      this.timer = setInterval(() => void this.check(), 250);
      this.to("talking");
      return true;
    } catch (e) {
      if (this.sound === sound) this.fail(e);
      return false;
    }
  }

  /** Ends the conversation, or gives up connecting. Idempotent. */
  hangup(): void {
    if (this.sound) this.end(true);
  }

  /** Stops or resumes sending sound. */
  mute(on: boolean): void {
    this.muted = on;
    if (this.track) this.track.enabled = !on;
    this.call?.send({ type: "mute", on });
    this.tell("muted");
  }

  /**
   * Asks the server to pause the recording of this conversation, or to go on with it. What comes of it is told by the event
   * "recording". False if it could not be sent.
   */
  record(on: boolean): boolean {
    return this.call?.send({ type: "record", on }) ?? false;
  }

  /** Sends typed text. False if it could not be sent. */
  send(text: string): boolean {
    const t = text.trim();
    return t !== "" && (this.call?.send({ type: "text", text: t }) ?? false);
  }

  /** Presses a key of a telephone: one of 0 to 9, *, # and A to D. False if it could not be sent. */
  key(key: string): boolean {
    return /^[0-9*#A-D]$/.test(key) && (this.call?.send({ type: "key", key }) ?? false);
  }

  /** Chooses a microphone, also in mid-call: empty for the system's choice. */
  async setMicrophone(id: string): Promise<void> {
    this.microphone = id;
    this.tell("microphones");
    if (this.phase === "talking") await this.change().catch((e: unknown) => this.show(asProblem(e, false)));
  }

  /** How loud both sides are now. The object is the same each time; made for a loop that draws. */
  levels(): Levels {
    return this.sound?.levels() ?? this.still;
  }

  /** The figures of the call. */
  async stats(): Promise<CallStats> {
    return this.call ? summarize(await this.call.report()) : noStats();
  }

  /** Tries again to play the agent, after the browser blocked it: call it while a click is being handled. */
  async unblock(): Promise<void> {
    if (await this.sound?.resume()) this.clear("sound-blocked");
  }

  /** Takes a passing problem from view. A fatal one stays. */
  dismiss(): void {
    if (!this.problem?.fatal) this.show(undefined);
  }

  private begin(voiceless: boolean): void {
    this.hello = this.recording = this.latency = this.counters = this.problem = undefined;
    this.transcript = [];
    this.state = "listening";
    this.reason = "";
    this.muted = false;
    this.voiceless = voiceless;
    this.silence = new SilenceWatch();
    this.lag = new Lag();
    this.sound = new Sound(() => this.show(problem("sound-blocked")));
    this.to("asking");
  }

  private async firstTrack(voiceless: boolean): Promise<MediaStreamTrack | undefined> {
    if (!("RTCPeerConnection" in globalThis)) throw new Failure(problem("unsupported"));
    if (voiceless) return this.sound?.silence();
    const track = await openMicrophone(this.microphone);
    void this.list(); // names are known only now
    return track;
  }

  private dial(track: MediaStreamTrack): Call {
    const events = {
      track: (t: MediaStreamTrack) => this.sound?.play(t),
      message: (data: unknown) => this.take(data),
      steady: (yes: boolean) => this.falter(!yes),
      lost: () => this.fail(new Failure(problem("lost"))),
    };
    return new Call(this.base, track, events, this.timeouts, { servers: this.options.iceServers ?? [] });
  }

  /** The path is lost, or is back. */
  private falter(lost: boolean): void {
    this.steady = !lost;
    this.tell("steady");
    if (lost) this.show(problem("unsteady"));
    else this.clear("unsteady");
  }

  /** Takes a track as what the caller says. */
  private use(track: MediaStreamTrack): void {
    if (this.track) {
      this.track.onended = null;
      this.track.stop();
    }
    this.track = track;
    track.enabled = !this.muted;
    track.onended = () => void this.takenAway();
    this.sound?.hear(track);
  }

  /** Changes over to the chosen microphone. */
  private async change(): Promise<void> {
    const call = this.call;
    const track = await openMicrophone(this.microphone);
    if (!call || this.call !== call) return track.stop();
    await call.replace(track);
    this.use(track);
    this.voiceless = false;
    this.clear("microphone-silent", "microphone-lost");
  }

  private async takenAway(): Promise<void> {
    if (this.phase !== "talking") return;
    this.microphone = "";
    try {
      await this.change();
      this.show(problem("microphone-changed", this.track?.label ? `The call goes on with “${this.track.label}”.` : ""));
    } catch {
      const silence = this.sound?.silence();
      if (!silence) return;
      await this.call?.replace(silence).catch(() => undefined);
      this.use(silence);
      this.voiceless = true;
      this.show(problem("microphone-lost"));
    }
  }

  private async devicesChanged(): Promise<void> {
    await this.list();
    if (this.phase === "talking" && this.problem?.code === "microphone-lost" && this.microphones.length > 0) {
      await this.change().catch(() => undefined);
    }
  }

  private async list(): Promise<void> {
    this.microphones = await listMicrophones();
    if (!this.microphones.some((m) => m.id === this.microphone)) this.microphone = "";
    this.tell("microphones");
  }

  /**
   * Four times a second while the agent speaks: tells how far the loudspeaker lags, so that the server knows what of its
   * sound was heard. Once a second, always: that, and does the microphone give sound?
   */
  private async check(): Promise<void> {
    const call = this.call;
    const all = ++this.checks % 4 === 0;
    if (!all && this.state !== "speaking") return;
    const s = await this.stats().catch(noStats);
    if (!call || this.call !== call) return;
    const lag = this.lag.step(s, this.sound?.latency() ?? 0);
    if (lag !== undefined) call.send({ type: "playout", delayMs: lag });
    if (!all) return;
    const counts = this.state === "listening" && !this.muted && !this.voiceless;
    const heard = this.silence.step({ energy: s.microphoneEnergy, seconds: s.microphoneDuration }, counts);
    if (heard === "silent" && !this.problem) this.show(problem("microphone-silent"));
    if (heard === "sound" || this.muted) this.clear("microphone-silent");
  }

  private take(data: unknown): void {
    const m = parse(data);
    if (!m) return;
    this.apply(m);
    this.dispatchEvent(new CustomEvent<Message>("message", { detail: m }));
  }

  private apply(m: Message): void {
    switch (m.type) {
      case "hello":
        this.hello = m;
        this.recording = m.recorded ? { type: "recording", on: true, by: "" } : undefined;
        this.tell("recording");
        return this.tell("hello");
      case "recording":
        this.recording = m;
        return this.tell("recording");
      case "state":
        if (m.state === "listening" || m.state === "thinking" || m.state === "speaking") this.state = m.state;
        return this.tell("state");
      case "user":
      case "agent":
        this.transcript = apply(this.transcript, m);
        return this.tell("transcript");
      case "latency":
        this.latency = m;
        return this.tell("latency");
      case "counters":
        this.counters = m;
        return this.tell("counters");
      case "error":
        if (m.fatal) return this.fail(new Failure(told(m.text, true)));
        return this.show(told(m.text, false));
      case "ended":
        if (this.phase !== "talking") return this.fail(new Failure(told(m.reason || "the server ended the call", true)));
        this.reason = sentence(m.reason);
        return this.end(false);
    }
  }

  private fail(e: unknown): void {
    this.end(true);
    this.show(asProblem(e, true));
  }

  private end(tell: boolean): void {
    clearInterval(this.timer);
    this.call?.close(tell);
    this.call = undefined;
    if (this.track) this.track.onended = null;
    this.track?.stop();
    this.track = undefined;
    this.sound?.close();
    this.sound = undefined;
    this.steady = true;
    this.dismiss();
    this.transcript = settle(this.transcript);
    this.to(this.phase === "talking" ? "ended" : "idle");
  }

  private show(p: Problem | undefined): void {
    if (p === this.problem) return;
    this.problem = p;
    this.tell("problem");
  }

  /** Takes back a problem that has passed. */
  private clear(...codes: Code[]): void {
    if (this.problem && codes.includes(this.problem.code)) this.show(undefined);
  }

  private to(phase: Phase): void {
    this.phase = phase;
    this.tell("phase");
  }

  private tell(event: Exclude<keyof ConversationEvents, "message">): void {
    this.dispatchEvent(new Event(event));
  }
}

function asProblem(e: unknown, ends: boolean): Problem {
  const p = e instanceof Failure ? e.problem : told(e instanceof Error ? e.message : String(e), true);
  return ends ? p : { ...p, fatal: false };
}
