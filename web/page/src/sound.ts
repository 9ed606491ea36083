// Sound in the page: playing the agent, and measuring both sides.

/** The two sides of a conversation and how loud each is: RMS, 0 to 1. */
export interface Levels {
  you: number;
  agent: number;
}

/** Measures one track. Reading allocates nothing. */
class Meter {
  private readonly source: MediaStreamAudioSourceNode;
  private readonly analyser: AnalyserNode;
  private readonly samples: Float32Array<ArrayBuffer>;

  constructor(context: AudioContext, track: MediaStreamTrack) {
    this.source = context.createMediaStreamSource(new MediaStream([track]));
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source.connect(this.analyser);
  }

  level(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (let i = 0; i < this.samples.length; i++) sum += (this.samples[i] ?? 0) ** 2;
    return Math.sqrt(sum / this.samples.length);
  }

  close(): void {
    this.source.disconnect();
  }
}

/** The sound of one call. Make it while a click is being handled, or browsers keep it suspended. */
export class Sound {
  private readonly context = new AudioContext();
  private readonly element = new Audio();
  private readonly now: Levels = { you: 0, agent: 0 };
  private you: Meter | undefined;
  private agent: Meter | undefined;

  /** blocked is called when the browser will not play before the person does something. */
  constructor(private readonly blocked: () => void) {
    void this.context.resume().catch(() => undefined);
  }

  /** Plays the agent's track. Chromium feeds a remote track to the meter only while an element plays it. */
  play(track: MediaStreamTrack): void {
    this.agent?.close();
    this.agent = new Meter(this.context, track);
    this.element.srcObject = new MediaStream([track]);
    void this.resume();
  }

  /** Tries to play again: to be called while a click is being handled. True if it plays. */
  async resume(): Promise<boolean> {
    try {
      await Promise.all([this.context.resume(), this.element.srcObject ? this.element.play() : undefined]);
      return true;
    } catch (e) {
      if (e instanceof DOMException && e.name === "NotAllowedError") this.blocked();
      return false;
    }
  }

  /** Measures the caller's track from now on. */
  hear(track: MediaStreamTrack): void {
    this.you?.close();
    this.you = new Meter(this.context, track);
  }

  /** A track of silence, for a call without a microphone: it keeps the line in use. */
  silence(): MediaStreamTrack {
    const track = this.context.createMediaStreamDestination().stream.getAudioTracks()[0];
    if (!track) throw new Error("make a silent track: the browser gave none");
    return track;
  }

  /** How loud both sides are now. The object is the same each time. */
  levels(): Levels {
    this.now.you = this.you?.level() ?? 0;
    this.now.agent = this.agent?.level() ?? 0;
    return this.now;
  }

  /** From the browser to the loudspeaker, in seconds: zero if the browser does not know. */
  latency(): number {
    return this.context.outputLatency || this.context.baseLatency || 0;
  }

  close(): void {
    this.element.pause();
    this.element.srcObject = null;
    void this.context.close().catch(() => undefined);
  }
}
