// Everything that can go wrong, in words for the person at the page: what happened, and what to try.

/** What went wrong, for programs. */
export type Code =
  | "insecure" | "unsupported" | "denied" | "no-microphone" | "microphone-busy" | "microphone-failed"
  | "microphone-changed" | "microphone-lost" | "microphone-silent" | "sound-blocked"
  | "offline" | "unreachable" | "busy" | "refused" | "server-failed" | "no-parley" | "bad-answer"
  | "path" | "encryption" | "channel" | "unsteady" | "lost" | "server" | "ended";

/** The steps of connecting, in order. */
export const checks = ["microphone", "server", "path", "encryption", "channel"] as const;
export type Check = (typeof checks)[number];

/** Something that went wrong. */
export interface Problem {
  readonly code: Code;
  /** What happened: one sentence. */
  readonly title: string;
  /** What to try. May be empty. */
  readonly advice: string;
  /** The conversation could not begin, or is over. */
  readonly fatal: boolean;
  /** The step of connecting that failed; those before it succeeded. */
  readonly failed?: Check;
}

/** A problem as an exception. */
export class Failure extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.title} ${problem.advice}`.trim());
    this.name = "Failure";
  }
}

type Words = readonly [title: string, advice: string, failed?: Check];

const askAgain = "Allow it with the icon at the left of the address bar, then press Talk again.";

const fatal: Readonly<Record<string, Words>> = {
  "insecure": ["Browsers give a page the microphone only over HTTPS.", "Open this page with https://, or on the same computer with http://localhost. Until then you can type.", "microphone"],
  "unsupported": ["This browser cannot hold a call.", "Use a current Firefox, Chrome, Edge or Safari, and check that WebRTC is not turned off."],
  "denied": ["The page may not use your microphone.", askAgain, "microphone"],
  "no-microphone": ["No microphone was found.", "Plug one in and press Talk again, or go on by typing.", "microphone"],
  "microphone-busy": ["The microphone cannot be opened.", "Another program may be using it: close that program, or choose another microphone.", "microphone"],
  "microphone-failed": ["The microphone did not start.", "Choose another microphone, or reload the page.", "microphone"],
  "offline": ["This computer is offline.", "Connect it to the network and press Talk again.", "server"],
  "unreachable": ["The server does not answer.", "Check that it still runs and that this computer is on the network, then press Talk again.", "server"],
  "busy": ["The server is in as many conversations as it can hold.", "Try again in a moment.", "server"],
  "refused": ["The server refused the call.", "", "server"],
  "server-failed": ["The server failed while taking the call.", "Try again; if it happens again, look at its log.", "server"],
  "no-parley": ["What answers at this address is not parley.", "Check the address, and that a proxy in front passes POST /offer on.", "server"],
  "bad-answer": ["The server's answer does not suit this browser.", "Reload the page. If it happens again, try another browser.", "server"],
  "path": ["The server answers, but no sound can travel to it.", "A firewall or VPN is likely blocking UDP. Turn the VPN off or try another network; whoever runs the server must open its UDP port.", "path"],
  "encryption": ["The server is reached, but the call could not be encrypted.", "Something between you and the server drops the larger packets: try another network, without a VPN.", "encryption"],
  "channel": ["The call is up, but the server sends no captions.", "Reload the page and try again.", "channel"],
  "lost": ["The connection to the server was lost.", "Check the network and press Talk again."],
};

const passing: Readonly<Record<string, Words>> = {
  "microphone-changed": ["Your microphone was taken away.", "The call goes on with another one."],
  "microphone-lost": ["Your microphone was taken away, and there is no other.", "Plug one in and it is used at once. Until then you can type."],
  "microphone-silent": ["No sound comes from your microphone.", "Check its switch and the volume in your system's settings, or choose another one."],
  "sound-blocked": ["The browser does not play the answer.", "Click anywhere on the page to hear it."],
  "unsteady": ["The connection falters.", "Reconnecting …"],
};

/** The problem of a code. detail, if not empty, takes the place of the advice. */
export function problem(code: Code, detail = ""): Problem {
  const ends = code in fatal;
  const [title, advice, failed] = fatal[code] ?? passing[code] ?? ["Something went wrong.", ""];
  return { code, title, advice: detail || advice, fatal: ends, ...(failed && { failed }) };
}

/** A problem that the server told in its own words. */
export function told(text: string, ends: boolean): Problem {
  return { code: "server", title: sentence(text), advice: "", fatal: ends };
}

/** What the browser's refusal of a microphone means. */
export function refusedMicrophone(name: string): Code {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "no-microphone";
    case "NotReadableError":
    case "AbortError":
      return "microphone-busy";
    default:
      return "microphone-failed";
  }
}

/** What the server's refusal of an offer means. said is its own sentence, wait its Retry-After in seconds. */
export function refusedOffer(status: number, said: string, wait: number): Problem {
  if (status === 503) {
    return problem("busy", wait > 0 ? `Try again in ${wait === 1 ? "a second" : `${wait} seconds`}.` : "");
  }
  if (status === 404 || status === 405 || status === 501) return problem("no-parley");
  if (status >= 500) return problem("server-failed", said && sentence(said));
  return problem("refused", said && sentence(said));
}

/** How far a call came before it failed to connect, seen from the browser's states. */
export interface Progress {
  readonly ice: boolean;
  readonly dtls: boolean;
}

/** Which step of connecting failed, once the server had answered. */
export function refusedPath(p: Progress): Code {
  if (!p.ice) return "path";
  return p.dtls ? "channel" : "encryption";
}

/** Text as a sentence: a capital first, a full stop last. */
export function sentence(text: string): string {
  const t = text.trim();
  if (t === "") return "";
  const first = t.charAt(0).toUpperCase() + t.slice(1);
  return /[.!?…]$/.test(first) ? first : first + ".";
}
