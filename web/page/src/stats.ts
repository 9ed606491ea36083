// The figures of a call, from the browser's getStats.

/** What the browser counts of a call. Times in seconds, zero until known. */
export interface CallStats {
  packetsSent: number;
  packetsReceived: number;
  packetsLost: number;
  jitter: number;
  /** Samples played, and how many of those were made up because nothing had come. */
  totalSamplesReceived: number;
  concealedSamples: number;
  /** Of concealedSamples, those made up as silence. */
  silentConcealedSamples: number;
  concealmentEvents: number;
  /** Sum of the time in the jitter buffer; divide by jitterBufferEmittedCount. */
  jitterBufferDelay: number;
  jitterBufferEmittedCount: number;
  /** Sum of the time from the browser to the loudspeaker; divide by totalPlayoutSamples. Not every browser tells it. */
  totalPlayoutDelay: number;
  totalPlayoutSamples: number;
  /** Energy and length of the sound received. */
  totalAudioEnergy: number;
  totalSamplesDuration: number;
  /** Energy and length of the sound of the microphone. */
  microphoneEnergy: number;
  microphoneDuration: number;
  roundTripTime: number;
}

/** The figures of a call in which nothing happened. */
export function noStats(): CallStats {
  return {
    packetsSent: 0, packetsReceived: 0, packetsLost: 0, jitter: 0,
    totalSamplesReceived: 0, concealedSamples: 0, silentConcealedSamples: 0, concealmentEvents: 0,
    jitterBufferDelay: 0, jitterBufferEmittedCount: 0, totalPlayoutDelay: 0, totalPlayoutSamples: 0,
    totalAudioEnergy: 0, totalSamplesDuration: 0,
    microphoneEnergy: 0, microphoneDuration: 0, roundTripTime: 0,
  };
}

const inbound = [
  "packetsReceived", "packetsLost", "jitter", "totalSamplesReceived", "concealedSamples",
  "silentConcealedSamples", "concealmentEvents", "jitterBufferDelay", "jitterBufferEmittedCount",
  "totalAudioEnergy", "totalSamplesDuration",
] as const;

/** Picks a call's figures from a report: any collection of dictionaries with a type. */
export function summarize(report: { forEach(f: (entry: Record<string, unknown>) => void): void }): CallStats {
  const s = noStats();
  report.forEach((e) => {
    switch (e["type"]) {
      case "inbound-rtp":
        for (const name of inbound) s[name] = number(e[name]);
        break;
      case "media-playout":
        s.totalPlayoutDelay = number(e["totalPlayoutDelay"]);
        s.totalPlayoutSamples = number(e["totalSamplesCount"]);
        break;
      case "outbound-rtp":
        s.packetsSent = number(e["packetsSent"]);
        break;
      case "media-source":
        s.microphoneEnergy = number(e["totalAudioEnergy"]);
        s.microphoneDuration = number(e["totalSamplesDuration"]);
        break;
      case "candidate-pair":
        if (e["nominated"]) s.roundTripTime = number(e["currentRoundTripTime"]);
    }
  });
  return s;
}

function number(v: unknown): number {
  return typeof v === "number" ? v : 0;
}

/** The longest lag that is told, in milliseconds. */
export const longest = 2000;

/** How far the loudspeaker lags behind what arrives, now: each part is the mean since the report before. */
export class Lag {
  private readonly buffer = new Mean();
  private readonly playout = new Mean();

  /**
   * Takes a report and gives the lag in whole milliseconds, undefined if the browser tells nothing of it. output: the
   * output's latency in seconds by another account, for browsers whose report has none; zero if that is not known either.
   */
  step(s: CallStats, output: number): number | undefined {
    const buffer = this.buffer.step(s.jitterBufferDelay, s.jitterBufferEmittedCount);
    const playout = this.playout.step(s.totalPlayoutDelay, s.totalPlayoutSamples) ?? (output > 0 ? output : undefined);
    if (buffer === undefined && playout === undefined) return undefined;
    return Math.round(Math.min(Math.max(((buffer ?? 0) + (playout ?? 0)) * 1000, 0), longest));
  }
}

/** The current mean of what is told as a sum and a count. While nothing is added it stays. */
class Mean {
  private sum = 0;
  private count = 0;
  private mean: number | undefined;

  step(sum: number, count: number): number | undefined {
    if (count > this.count) {
      this.mean = (sum - this.sum) / (count - this.count);
      this.sum = sum;
      this.count = count;
    }
    return this.mean;
  }
}
