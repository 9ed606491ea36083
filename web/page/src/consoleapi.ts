// What the console asks the server for.

import { query, type Filter } from "./consolelink.js";
import type { Call, Failure, List, Verdict } from "./recordings.js";

export type Side = "both" | "caller" | "agent";

const base = new URL("console/", document.baseURI);

const path = (id: string, what: string): URL => new URL(`recordings/${encodeURIComponent(id)}${what}`, base);

/** What the server said no with. */
export class Refusal extends Error {
  constructor(readonly status: number, text: string) {
    super(text);
  }
}

async function ask(url: URL, options: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, options);
  } catch (e) {
    if (options.signal?.aborted) throw e;
    throw new Refusal(0, "The server does not answer. Does it still run?");
  }
  if (answer.ok) return answer;
  const failure = await answer.json().catch(() => undefined) as Failure | undefined;
  throw new Refusal(answer.status, failure?.error ?? (answer.status === 404 ? "This server has no console: start it with --record." : `The server refused: ${answer.status}.`));
}

export async function list(f: Filter, signal: AbortSignal): Promise<List> {
  return await (await ask(new URL(`recordings?${query(f)}`, base), { signal })).json() as List;
}

export async function call(id: string, signal: AbortSignal): Promise<Call> {
  return await (await ask(path(id, ""), { signal })).json() as Call;
}

export async function exact(id: string): Promise<Verdict> {
  return await (await ask(path(id, "/exact"), { method: "POST" })).json() as Verdict;
}

/** Where the sound is. Version tells apart what a live conversation had at different times. */
export function sound(id: string, side: Side, version: number): string {
  return path(id, `/sound?side=${side}&v=${version}`).href;
}

/** Reads the peaks of both sides as they are made. Bucket is the length of one, in seconds; each of the pieces is whole buckets. */
export async function peaks(id: string, signal: AbortSignal, take: (bucket: number, piece: Uint8Array) => void): Promise<void> {
  const answer = await ask(path(id, "/peaks"), { signal });
  const bucket = Number(answer.headers.get("Parley-Bucket"));
  const reader = answer.body?.getReader();
  let rest = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader?.read() ?? { done: true, value: undefined };
    if (done || !value) return;
    const all = new Uint8Array(rest.length + value.length);
    all.set(rest);
    all.set(value, rest.length);
    const whole = all.length - all.length % 6;
    take(bucket, all.subarray(0, whole));
    rest = all.slice(whole);
  }
}
