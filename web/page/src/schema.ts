// Made from web/schema.go by a test: go test ./web/page -run TestSchema -update. Do not edit.

/** The data channel that carries the messages. */
export const label = "parley";

export interface Hello {
  type: "hello";
  session: string;
  build: string;
  stt: string;
  llm: string;
  tts: string;
  recorded: boolean;
}

export interface State {
  type: "state";
  state: string;
  atMs: number;
}

export interface User {
  type: "user";
  turn: number;
  text: string;
  final: boolean;
  atMs: number;
}

export interface Said {
  type: "agent";
  turn: number;
  heard: string;
  sent: string;
  generated: string;
  done: boolean;
  interrupted: boolean;
  atMs: number;
}

export interface Latency {
  type: "latency";
  turn: number;
  totalMs: number;
  endpointMs: number;
  textMs: number;
  tokenMs: number;
  phraseMs: number;
  audioMs: number;
}

export interface Trouble {
  type: "error";
  code: string;
  text: string;
  fatal: boolean;
}

export interface Ended {
  type: "ended";
  reason: string;
}

export interface Recording {
  type: "recording";
  on: boolean;
  by: string;
}

export interface UpCounters {
  received: number;
  lost: number;
  late: number;
  duplicated: number;
  recovered: number;
  concealedMs: number;
  pausedMs: number;
  depthMs: number;
  loss: number;
}

export interface DownCounters {
  sent: number;
  loss: number;
}

export interface Counters {
  type: "counters";
  atMs: number;
  codec: string;
  rttMs: number;
  dropped: number;
  up: UpCounters;
  down: DownCounters;
}

export interface Command {
  type: "text" | "mute" | "key" | "record" | "playout" | "hangup";
  text?: string;
  on?: boolean;
  key?: string;
  delayMs?: number;
}

/** What the server sends. */
export type Message = Hello | State | User | Said | Latency | Trouble | Ended | Recording | Counters;

/** The fields of each message beside its type, for checking what arrives. */
export const shapes = {
  hello: { session: "string", build: "string", stt: "string", llm: "string", tts: "string", recorded: "boolean" },
  state: { state: "string", atMs: "number" },
  user: { turn: "number", text: "string", final: "boolean", atMs: "number" },
  agent: { turn: "number", heard: "string", sent: "string", generated: "string", done: "boolean", interrupted: "boolean", atMs: "number" },
  latency: { turn: "number", totalMs: "number", endpointMs: "number", textMs: "number", tokenMs: "number", phraseMs: "number", audioMs: "number" },
  error: { code: "string", text: "string", fatal: "boolean" },
  ended: { reason: "string" },
  recording: { on: "boolean", by: "string" },
  counters: { atMs: "number", codec: "string", rttMs: "number", dropped: "number", up: { received: "number", lost: "number", late: "number", duplicated: "number", recovered: "number", concealedMs: "number", pausedMs: "number", depthMs: "number", loss: "number" }, down: { sent: "number", loss: "number" } },
} as const;
