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
    jitterBufferDelay: 0, jitterBufferEmittedCount: 0, totalAudioEnergy: 0, totalSamplesDuration: 0,
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
