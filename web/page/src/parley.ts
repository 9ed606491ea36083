// The client of parley as one module: import { Conversation } from "./parley.js".

export { Conversation, type AgentState, type ConversationEvents, type Options, type Phase } from "./conversation.js";
export { checks, type Check, type Code, type Problem } from "./problem.js";
export { asText, type Line } from "./transcript.js";
export type { Timeouts } from "./call.js";
export type { Microphone } from "./microphone.js";
export type { Counters, Hello, Latency, Message, Recording } from "./schema.js";
export type { Levels } from "./sound.js";
export type { CallStats } from "./stats.js";
