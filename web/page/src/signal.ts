// Signaling: one request opens a call, others keep it and end it.

import { Failure, problem, refusedOffer } from "./problem.js";

/** What the server answers to an offer. */
export interface Answer {
  readonly sdp: string;
  readonly session: string;
  /** The servers that relay where there is no other way. */
  readonly servers: RTCIceServer[];
}

/** Sends an offer to the server at base; patience is what its waits are multiplied by, if anything. Throws a Failure, or signal's reason when that is aborted. */
export async function offer(base: URL, sdp: string, signal: AbortSignal, milliseconds: number, patience?: number): Promise<Answer> {
  const wish = patience === undefined ? {} : { patience };
  const { response, body } = await post(new URL("offer", base), { sdp, type: "offer", ...wish }, signal, milliseconds);
  if (!response.ok) {
    const wait = Number(response.headers.get("Retry-After"));
    throw new Failure(refusedOffer(response.status, text(body, "error"), Number.isFinite(wait) ? wait : 0));
  }
  const answer = read(body);
  if (answer.sdp === "") throw new Failure(problem("no-parley"));
  return answer;
}

/** Sends a further offer of a session. Throws if there is no answer. */
export async function reoffer(base: URL, session: string, sdp: string, signal: AbortSignal, milliseconds: number): Promise<Answer> {
  const { response, body } = await post(new URL(`${path(session)}/offer`, base), { sdp, type: "offer" }, signal, milliseconds);
  const answer = read(body);
  if (!response.ok || answer.sdp === "") throw new Error(`renew the call: the server says ${response.status}: ${text(body, "error")}`);
  return { ...answer, session };
}

/** Whether the server still has a session. Throws if it cannot be reached. */
export async function alive(base: URL, session: string, signal: AbortSignal): Promise<boolean> {
  const response = await fetch(new URL(path(session), base), { cache: "no-store", signal });
  if (response.status === 404 || response.status === 410) return false;
  if (!response.ok) throw new Error(`ask for the session: the server says ${response.status}`);
  return true;
}

/** Tells the server that a session is over. Also works while the page goes away; its outcome does not matter. */
export function leave(base: URL, session: string): void {
  void fetch(new URL(path(session), base), { method: "DELETE", keepalive: true }).catch(() => undefined);
}

function path(session: string): string {
  return `sessions/${encodeURIComponent(session)}`;
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

function read(body: unknown): Answer {
  return { sdp: text(body, "sdp"), session: text(body, "session"), servers: iceServers(body) };
}

/** The well-formed ones of the servers in a body's iceServers. */
function iceServers(body: unknown): RTCIceServer[] {
  const list = typeof body === "object" && body !== null && "iceServers" in body ? body.iceServers : [];
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown): RTCIceServer[] => {
    const urls = typeof entry === "object" && entry !== null && "urls" in entry ? entry.urls : [];
    const good = (Array.isArray(urls) ? urls : [urls]).filter((u): u is string => typeof u === "string" && /^(stun|turns?):/.test(u));
    return good.length > 0 ? [{ urls: good, username: text(entry, "username"), credential: text(entry, "credential") }] : [];
  });
}
