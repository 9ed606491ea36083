// Signaling: one request opens a call, one ends it.

import { Failure, problem, refusedOffer } from "./problem.js";

/** What the server answers to an offer. */
export interface Answer {
  readonly sdp: string;
  readonly session: string;
}

/** Sends an offer to the server at base. Throws a Failure, or signal's reason when that is aborted. */
export async function offer(base: URL, sdp: string, signal: AbortSignal, milliseconds: number): Promise<Answer> {
  const { response, body } = await post(new URL("offer", base), { sdp, type: "offer" }, signal, milliseconds);
  if (!response.ok) {
    const wait = Number(response.headers.get("Retry-After"));
    throw new Failure(refusedOffer(response.status, text(body, "error"), Number.isFinite(wait) ? wait : 0));
  }
  const answer = { sdp: text(body, "sdp"), session: text(body, "session") };
  if (answer.sdp === "") throw new Failure(problem("no-parley"));
  return answer;
}

/** Tells the server that a session is over. Also works while the page goes away; its outcome does not matter. */
export function leave(base: URL, session: string): void {
  const url = new URL(`sessions/${encodeURIComponent(session)}`, base);
  void fetch(url, { method: "DELETE", keepalive: true }).catch(() => undefined);
}

/** Posts a value and reads what comes back: body is undefined if that is not JSON. */
async function post(url: URL, value: object, signal: AbortSignal, milliseconds: number): Promise<{ response: Response; body: unknown }> {
  const both = new AbortController();
  const abort = (): void => both.abort();
  const timer = setTimeout(abort, milliseconds);
  signal.addEventListener("abort", abort);
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(value), signal: both.signal });
    return { response, body: json(await response.text()) };
  } catch {
    signal.throwIfAborted();
    throw new Failure(problem(navigator.onLine ? "unreachable" : "offline"));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function text(body: unknown, field: string): string {
  const value = typeof body === "object" && body !== null ? (body as Record<string, unknown>)[field] : undefined;
  return typeof value === "string" ? value : "";
}
