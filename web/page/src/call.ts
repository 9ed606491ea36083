// One call: a peer connection with a track each way and the data channel, from the offer to the end.

import { Failure, problem, refusedPath } from "./problem.js";
import { label, type Command } from "./schema.js";
import { leave, offer } from "./signal.js";

/** How long each step of connecting may take, in milliseconds. */
export interface Timeouts {
  gather: number;
  answer: number;
  connect: number;
}

/** What a call tells while it lasts. */
export interface CallEvents {
  /** The agent's track has come. */
  track(track: MediaStreamTrack): void;
  /** Data came on the channel. */
  message(data: unknown): void;
  /** The path faltered, or is back. */
  steady(yes: boolean): void;
  /** The path is gone for good, or the server closed it. Not called after close. */
  lost(): void;
}

/** Commands are dropped while more bytes than this wait to be sent. */
const backlog = 64 * 1024;

export class Call {
  private readonly peer: RTCPeerConnection;
  private readonly channel: RTCDataChannel;
  private readonly sender: RTCRtpSender;
  private readonly over = new AbortController();
  private session = "";
  private ice = false;
  private dtls = false;

  constructor(private readonly base: URL, track: MediaStreamTrack, private readonly events: CallEvents, servers: RTCIceServer[]) {
    this.peer = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    this.sender = this.peer.addTrack(track, new MediaStream([track]));
    this.channel = this.peer.createDataChannel(label); // before the offer: it must be in it
    this.peer.ontrack = (e) => events.track(e.track);
    this.channel.onmessage = (e) => events.message(e.data);
  }

  /** Connects: resolves when the channel is open. Throws a Failure, or an AbortError after close. */
  async connect(limits: Timeouts): Promise<void> {
    const signal = this.over.signal;
    await this.peer.setLocalDescription();
    await this.gathered(limits.gather);
    signal.throwIfAborted();
    const answer = await offer(this.base, this.peer.localDescription?.sdp ?? "", signal, limits.answer);
    this.session = answer.session;
    await this.peer.setRemoteDescription({ type: "answer", sdp: answer.sdp }).catch(() => {
      signal.throwIfAborted();
      throw new Failure(problem("bad-answer"));
    });
    await this.open(limits.connect);
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

  /** Ends the call here and, unless the server has ended it, there. Idempotent. */
  close(tell: boolean): void {
    if (this.over.signal.aborted) return;
    this.over.abort();
    if (tell) {
      this.send({ type: "hangup" });
      if (this.session) leave(this.base, this.session);
    }
    this.peer.close();
  }

  /** Waits until all candidates are known, but not for long: the server also learns them from our checks. */
  private gathered(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      const done = (): void => {
        if (this.peer.iceGatheringState !== "complete") return;
        clearTimeout(timer);
        resolve();
      };
      this.peer.addEventListener("icegatheringstatechange", done);
      this.over.signal.addEventListener("abort", () => resolve());
      done();
    });
  }

  /** Waits until the channel is open. The states are read before any event: it may be open by now. */
  private open(milliseconds: number): Promise<void> {
    const watched = new AbortController();
    return new Promise<void>((resolve, reject) => {
      const fail = (): void => reject(new Failure(problem(refusedPath({ ice: this.ice, dtls: this.dtls }))));
      const look = (): void => {
        this.ice ||= ["connected", "completed"].includes(this.peer.iceConnectionState);
        this.dtls ||= this.peer.connectionState === "connected";
        if (this.channel.readyState === "open") resolve();
        else if (["failed", "closed"].includes(this.peer.connectionState)) fail();
      };
      const options = { signal: watched.signal };
      this.peer.addEventListener("iceconnectionstatechange", look, options);
      this.peer.addEventListener("connectionstatechange", look, options);
      this.channel.addEventListener("open", look, options);
      this.over.signal.addEventListener("abort", () => reject(this.over.signal.reason), options);
      const timer = setTimeout(fail, milliseconds);
      watched.signal.addEventListener("abort", () => clearTimeout(timer));
      look();
    }).finally(() => watched.abort());
  }

  private watch(): void {
    const lost = (): void => {
      if (!this.over.signal.aborted) this.events.lost();
    };
    this.channel.onclose = lost;
    this.peer.onconnectionstatechange = () => {
      switch (this.peer.connectionState) {
        case "connected":
          return this.events.steady(true);
        case "disconnected":
          return this.events.steady(false);
        case "failed":
        case "closed":
          return lost();
      }
    };
  }
}
