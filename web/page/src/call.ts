// One call: a peer connection with a track each way and the data channel, from the offer to the end.

import { Failure, problem, refusedPath } from "./problem.js";
import { pace, Reconnect, type Line } from "./reconnect.js";
import { label, type Command } from "./schema.js";
import { candidates, filter, type Candidate } from "./sdp.js";
import { alive, leave, offer, reoffer } from "./signal.js";
import { summarize } from "./stats.js";

/** How long each step of connecting may take, in milliseconds. */
export interface Timeouts {
  gather: number;
  answer: number;
  /** From the answer on without the help of a relay. */
  relay: number;
  connect: number;
}

/** What a call tells while it lasts. */
export interface CallEvents {
  /** The agent's track has come. Not called after close. */
  track(track: MediaStreamTrack): void;
  /** Data came on the channel. Not called after close. */
  message(data: unknown): void;
  /** The path is lost and being mended, or is back. */
  steady(yes: boolean): void;
  /** The path is gone for good, or the server closed it. Not called after close. */
  lost(): void;
}

/** How a call travels. */
export interface Route {
  readonly servers?: RTCIceServer[];
  readonly policy?: RTCIceTransportPolicy;
  /** Which candidates may be used, of both sides. With it there is no second try while connecting. */
  readonly only?: (c: Candidate) => boolean;
}

/** Commands are dropped while more bytes than this wait to be sent. */
const backlog = 64 * 1024;

export class Call implements Line {
  /** Relays that the server offered. */
  relays: RTCIceServer[] = [];

  private readonly peer: RTCPeerConnection;
  private readonly channel: RTCDataChannel;
  private readonly sender: RTCRtpSender;
  private readonly over = new AbortController();
  private readonly reconnect: Reconnect;
  private session = "";
  private answer = "";
  private ice = false;
  private dtls = false;

  constructor(
    private readonly base: URL, track: MediaStreamTrack, private readonly events: CallEvents,
    private readonly limits: Timeouts, private readonly route: Route = {},
  ) {
    this.peer = new RTCPeerConnection({
      iceServers: route.servers ?? [], iceTransportPolicy: route.policy ?? "all", bundlePolicy: "max-bundle",
    });
    this.sender = this.peer.addTrack(track, new MediaStream([track]));
    this.channel = this.peer.createDataChannel(label); // before the offer: it must be in it
    // A browser may still tell what was on its way when the call was closed.
    this.peer.ontrack = (e) => this.over.signal.aborted || events.track(e.track);
    this.channel.onmessage = (e) => this.over.signal.aborted || events.message(e.data);
    this.reconnect = new Reconnect(this, events, pace);
  }

  /**
   * Connects: resolves when the channel is open. Throws a Failure, or an AbortError after close. patience is what the agent's
   * waits at the end of a turn are multiplied by, if anything.
   */
  async connect(patience?: number): Promise<void> {
    const signal = this.over.signal;
    const sdp = await this.describe();
    signal.throwIfAborted();
    const answer = await offer(this.base, sdp, signal, this.limits.answer, patience);
    this.session = answer.session;
    this.relays = answer.servers;
    await this.accept(answer.sdp).catch(() => {
      signal.throwIfAborted();
      throw new Failure(problem("bad-answer"));
    });
    await this.open();
    this.watch();
  }

  /** Sends a command. False if the channel is not open or too much waits. */
  send(command: Command): boolean {
    if (this.channel.readyState !== "open" || this.channel.bufferedAmount > backlog) return false;
    this.channel.send(JSON.stringify(command));
    return true;
  }

  /** Sends another track in place of the present one, without a new negotiation. */
  replace(track: MediaStreamTrack): Promise<void> {
    return this.sender.replaceTrack(track);
  }

  report(): Promise<RTCStatsReport> {
    return this.peer.getStats();
  }

  /** The candidates that each side has, those included that the route does not use. */
  candidates(): { ours: Candidate[]; theirs: Candidate[] } {
    return { ours: candidates(this.peer.localDescription?.sdp ?? ""), theirs: candidates(this.answer) };
  }

  /** Ends the call here and, unless the server has ended it, there. Idempotent. */
  close(tell: boolean): void {
    if (this.over.signal.aborted) return;
    this.over.abort();
    this.reconnect.stop();
    if (tell) {
      this.send({ type: "hangup" });
      if (this.session) leave(this.base, this.session);
    }
    this.peer.close();
  }

  connected(): boolean {
    return this.peer.connectionState === "connected";
  }

  async received(): Promise<number> {
    return summarize(await this.report()).packetsReceived;
  }

  alive(signal: AbortSignal): Promise<boolean> {
    return alive(this.base, this.session, signal);
  }

  /** Restarts ICE, from now on with the server's relays. */
  async restart(signal: AbortSignal): Promise<void> {
    this.useRelays();
    this.peer.restartIce();
    const sdp = await this.describe();
    signal.throwIfAborted();
    const answer = await reoffer(this.base, this.session, sdp, signal, this.limits.answer);
    if (answer.servers.length > 0) this.relays = answer.servers; // the credentials of the ones before may be over
    await this.accept(answer.sdp);
  }

  private useRelays(): void {
    try {
      this.peer.setConfiguration({ ...this.peer.getConfiguration(), iceServers: [...(this.route.servers ?? []), ...this.relays] });
    } catch {
      this.relays = []; // the browser cannot use them: better a restart without
    }
  }

  /** Makes an offer with our candidates. */
  private async describe(): Promise<string> {
    const gathered = this.gathered();
    await this.unlessOver(this.peer.setLocalDescription());
    await gathered;
    // By a relay only, and it gave no address: there is nothing to offer.
    if (this.route.policy === "relay" && this.candidates().ours.length === 0) throw new Failure(problem("path"));
    const sdp = this.peer.localDescription?.sdp ?? "";
    return this.route.only ? filter(sdp, this.route.only) : sdp;
  }

  private accept(sdp: string): Promise<void> {
    this.answer = sdp;
    return this.unlessOver(this.peer.setRemoteDescription({ type: "answer", sdp: this.route.only ? filter(sdp, this.route.only) : sdp }));
  }

  /** Waits for what a browser leaves open for ever when the call is closed meanwhile. */
  private unlessOver<T>(work: Promise<T>): Promise<T> {
    const signal = this.over.signal;
    return new Promise<T>((resolve, reject) => {
      const over = (): void => reject(signal.reason);
      signal.addEventListener("abort", over);
      if (signal.aborted) over();
      void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", over));
    });
  }

  /**
   * Waits until all candidates of the gathering that is about to begin are known, but not for long: the server also
   * learns them from our checks. There may be none.
   */
  private gathered(): Promise<void> {
    const watched = new AbortController();
    return new Promise<void>((resolve) => {
      const done = (): void => {
        if (this.peer.iceGatheringState === "complete") resolve();
      };
      const timer = setTimeout(resolve, this.limits.gather);
      watched.signal.addEventListener("abort", () => clearTimeout(timer));
      this.peer.addEventListener("icegatheringstatechange", done, { signal: watched.signal });
      this.over.signal.addEventListener("abort", () => resolve(), { signal: watched.signal });
    }).finally(() => watched.abort());
  }

  /** Waits until the channel is open. The states are read before any event: it may be open by now. */
  private open(): Promise<void> {
    const watched = new AbortController();
    return new Promise<void>((resolve, reject) => {
      const fail = (): void => reject(new Failure(problem(refusedPath({ ice: this.ice, dtls: this.dtls }))));
      const look = (): void => {
        this.ice ||= ["connected", "completed"].includes(this.peer.iceConnectionState);
        this.dtls ||= this.connected();
        if (this.channel.readyState === "open") resolve();
        else if (this.peer.connectionState === "closed") fail();
        else if (this.peer.connectionState === "failed" && !this.mayRelay()) fail();
      };
      const options = { signal: watched.signal };
      this.peer.addEventListener("iceconnectionstatechange", look, options);
      this.peer.addEventListener("connectionstatechange", look, options);
      this.channel.addEventListener("open", look, options);
      this.over.signal.addEventListener("abort", () => reject(this.over.signal.reason), options);
      const timer = setTimeout(fail, this.limits.connect);
      watched.signal.addEventListener("abort", () => clearTimeout(timer));
      if (this.mayRelay()) {
        const heal = async (): Promise<void> => (await this.reconnect.heal(this.limits.connect)) ? undefined : fail();
        const relay = setTimeout(() => void heal(), this.limits.relay);
        watched.signal.addEventListener("abort", () => clearTimeout(relay));
      }
      look();
    }).finally(() => watched.abort());
  }

  private mayRelay(): boolean {
    return this.relays.length > 0 && !this.route.only && this.route.policy !== "relay";
  }

  /** Watches a call that is up. A path that is lost is mended; only the server, or time, ends the call. */
  private watch(): void {
    const lost = (): void => {
      if (!this.over.signal.aborted) this.events.lost();
    };
    this.channel.onclose = lost;
    this.peer.onconnectionstatechange = () => {
      const state = this.peer.connectionState;
      if (state === "closed") lost();
      if (state === "disconnected" || state === "failed") void this.reconnect.mend();
    };
    const hint = (): void => this.reconnect.hint();
    const options = { signal: this.over.signal };
    for (const name of ["online", "pageshow"]) addEventListener(name, hint, options);
    document.addEventListener("visibilitychange", hint, options);
    if ("connection" in navigator && navigator.connection instanceof EventTarget) {
      navigator.connection.addEventListener("change", hint, options);
    }
    this.reconnect.start();
  }
}
