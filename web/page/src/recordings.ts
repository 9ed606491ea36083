// Made from web/console/schema.go by a test: go test ./web/page -run TestRecordings -update. Do not edit.

export interface Facts {
  readonly turns: number;
  readonly interruptions: number;
  readonly holds: number;
  readonly troubles: number;
  readonly latency: number;
  readonly excerpt: string;
}

export interface Recording {
  readonly id: string;
  readonly start: string;
  readonly length: number;
  readonly state: string;
  readonly codec: string;
  readonly bytes: number;
  readonly wrong: string;
  readonly known: boolean;
  readonly facts: Facts;
}

export interface List {
  readonly recordings: readonly Recording[];
  readonly total: number;
  readonly pending: number;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Word {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  readonly guessed: boolean;
}

export interface Answer {
  readonly generated: string;
  readonly heard: string;
  readonly interrupted: boolean;
}

export interface Hold {
  readonly from: number;
  readonly to: number;
  readonly why: string;
  readonly outcome: string;
  readonly because: string;
}

export interface Latency {
  readonly commit: number;
  readonly text: number;
  readonly token: number;
  readonly phrase: number;
  readonly audio: number;
  readonly sent: number;
}

export interface Trouble {
  readonly at: number;
  readonly code: string;
  readonly text: string;
}

export interface Turn {
  readonly n: number;
  readonly voice: readonly Span[];
  readonly user: string;
  readonly userWords: readonly Word[];
  readonly committed: number;
  readonly reason: string;
  readonly answer: Answer;
  readonly words: readonly Word[];
  readonly spoken: Span;
  readonly holds: readonly Hold[];
  readonly asides: readonly Span[];
  readonly timed: boolean;
  readonly latency: Latency;
  readonly troubles: readonly Trouble[];
}

export interface Input {
  readonly kind: string;
  readonly from: number;
  readonly to: number;
  readonly voice: number;
  readonly p: number;
  readonly text: string;
  readonly on: boolean;
}

export interface Decision {
  readonly seq: number;
  readonly at: number;
  readonly turn: number;
  readonly kind: string;
  readonly text: string;
  readonly back: number;
  readonly reason: string;
  readonly input: Input;
}

export interface Hole {
  readonly from: number;
  readonly to: number;
  readonly why: string;
  readonly lost: boolean;
}

export interface Call {
  readonly recording: Recording;
  readonly path: string;
  readonly build: string;
  readonly config: string;
  readonly turns: readonly Turn[];
  readonly decisions: readonly Decision[];
  readonly holes: readonly Hole[];
  readonly ended: string;
}

export interface Verdict {
  readonly ran: boolean;
  readonly equal: boolean;
  readonly events: number;
  readonly took: number;
  readonly faster: number;
  readonly text: string;
}

export interface Failure {
  readonly error: string;
}
