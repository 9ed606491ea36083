// What works between this browser and the server, step by step and in words. The paths are tried by real
// calls, each of which is ended as soon as it is up.

import { Call, type Route, type Timeouts } from "./call.js";
import { openMicrophone } from "./microphone.js";
import { Failure, problem, type Problem } from "./problem.js";
import type { Candidate } from "./sdp.js";
import { Sound } from "./sound.js";
import { summarize } from "./stats.js";

/** What a step found: it works, it fails, or there is nothing to try. */
export interface Finding {
  readonly state: "works" | "fails" | "absent";
  /** What was found, and what to do if it is not well. */
  readonly text: string;
}

/** The steps in order, and what they are called. */
export const steps = {
  browser: "Browser", microphone: "Microphone", loudspeaker: "Loudspeaker", server: "Server",
  udp: "Direct, by UDP", tcp: "Direct, by TCP", relayUdp: "Relay, by UDP", relayTcp: "Relay, by TCP",
} as const;
export type Step = keyof typeof steps;
export type Findings = Partial<Record<Step, Finding>>;

/** One try to call. */
export interface Attempt {
  /** Why it failed: undefined if it came through. */
  readonly problem?: Problem;
  /** From the beginning until it was up or had failed. */
  readonly milliseconds: number;
  /** Zero until known. */
  readonly roundTrip: number;
  readonly ours: readonly Candidate[];
  readonly theirs: readonly Candidate[];
  readonly relays: readonly RTCIceServer[];
}

const limits: Timeouts = { gather: 2500, answer: 8000, relay: 0, connect: 6000 };

/** How often a server is asked again that is full, and after how many milliseconds: of the try before it may still know. */
const again = { times: 3, after: 1000 };

/** How loud a microphone must be to be there, RMS: −80 dBFS. */
const audible = 1e-4;

/** Takes the steps; tell is called with each as it begins and when it is done. Ends early when signal is aborted. */
export async function diagnose(base: URL, signal: AbortSignal, tell: (step: Step, finding?: Finding) => void): Promise<Findings> {
  const found: Findings = {};
  const take = async (step: Step, find: () => Finding | Promise<Finding>): Promise<boolean> => {
    signal.throwIfAborted();
    tell(step);
    const finding = await find();
    signal.throwIfAborted();
    tell(step, (found[step] = finding));
    return finding.state === "works";
  };
  if (!(await take("browser", browser))) return found;
  const sound = new Sound(() => undefined);
  try {
    await take("microphone", () => microphone(sound));
    await take("loudspeaker", () => loudspeaker(sound));
    if (!(await take("server", () => server(base)))) return found;
    const dial = async (route: Route): Promise<Attempt> => {
      for (let n = 0; ; n++) {
        const a = await attempt(base, sound, route, signal);
        if (a.problem?.code !== "busy" || n === again.times || signal.aborted) return a;
        await new Promise((done) => setTimeout(done, again.after));
      }
    };
    let direct: Attempt | undefined;
    await take("udp", async () => {
      direct = await dial({ only: (c) => c.protocol === "udp" });
      return path("udp", direct);
    });
    if (!direct || direct.problem?.failed === "server") return found;
    const { theirs, relays } = direct;
    await take("tcp", async () => theirs.some((c) => c.protocol === "tcp")
      ? path("tcp", await dial({ only: (c) => c.protocol === "tcp" })) : absent("tcp"));
    for (const [step, tcp] of [["relayUdp", false], ["relayTcp", true]] as const) {
      const servers = reached(relays, tcp);
      await take(step, async () => servers.length > 0 ? path(step, await dial({ servers, policy: "relay" })) : absent(step));
    }
    return found;
  } finally {
    sound.close();
  }
}

/** Of some servers the relays that are reached by TCP, or by UDP. */
export function reached(servers: readonly RTCIceServer[], tcp: boolean): RTCIceServer[] {
  return servers.flatMap((s) => {
    const urls = [s.urls].flat().filter((u) => /^turns?:/.test(u) && /^turns:|transport=tcp/.test(u) === tcp);
    return urls.length > 0 ? [{ ...s, urls }] : [];
  });
}

function works(text: string): Finding {
  return { state: "works", text };
}

function fails(text: string): Finding {
  return { state: "fails", text };
}

function words(p: Problem): string {
  return `${p.title} ${p.advice.replace("press Talk", "check")}`.trim();
}

function browser(): Finding {
  if (!("RTCPeerConnection" in globalThis)) return fails(words(problem("unsupported")));
  return works("It can hold a call.");
}

async function microphone(sound: Sound): Promise<Finding> {
  try {
    const track = await openMicrophone("");
    sound.hear(track);
    let most = 0;
    for (let i = 0; i < 30 && most < audible; i++) {
      await new Promise((done) => setTimeout(done, 50));
      most = Math.max(most, sound.levels().you);
    }
    track.stop();
    return most < audible ? fails(words(problem("microphone-silent"))) : works(`“${track.label || "Microphone"}” may be used and gives sound.`);
  } catch (e) {
    return fails(e instanceof Failure ? words(e.problem) : "The microphone did not start.");
  }
}

/** Plays a short tone as a call would play the agent. */
async function loudspeaker(sound: Sound): Promise<Finding> {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, { frequency: 440 });
  tone.connect(new GainNode(context, { gain: 0.1 })).connect(out);
  tone.start();
  try {
    const [track] = out.stream.getAudioTracks();
    if (track) sound.play(track);
    if (!(await sound.resume())) return fails("The browser does not let this page play sound: allow it in the settings beside the address bar.");
    await new Promise((done) => setTimeout(done, 400));
    return works("A short tone was played. If you did not hear it, turn the volume up.");
  } finally {
    tone.stop();
    void context.close();
  }
}

async function server(base: URL): Promise<Finding> {
  const begin = performance.now();
  try {
    const response = await fetch(new URL("healthz", base), { cache: "no-store", signal: AbortSignal.timeout(limits.answer) });
    if (response.status === 503) return fails("It is shutting down. Try again in a moment.");
    if (!response.ok) return fails(words(problem("no-parley")));
    return works(`It answers in ${seconds(performance.now() - begin)}.`);
  } catch {
    return fails(words(problem(navigator.onLine ? "unreachable" : "offline")));
  }
}

/** Calls by a route, and hangs up. */
async function attempt(base: URL, sound: Sound, route: Route, signal: AbortSignal): Promise<Attempt> {
  const silent = { track: () => undefined, message: () => undefined, steady: () => undefined, lost: () => undefined };
  const call = new Call(base, sound.silence(), silent, limits, route);
  const leave = (): void => call.close(true);
  signal.addEventListener("abort", leave);
  const begin = performance.now();
  let failed: Problem | undefined;
  let roundTrip = 0;
  let milliseconds = 0;
  try {
    await call.connect();
    milliseconds = performance.now() - begin;
    roundTrip = summarize(await call.report()).roundTripTime;
  } catch (e) {
    milliseconds = performance.now() - begin;
    failed = e instanceof Failure ? e.problem : problem("path");
  } finally {
    signal.removeEventListener("abort", leave);
    leave();
  }
  return { milliseconds, roundTrip, ...call.candidates(), relays: call.relays, ...(failed && { problem: failed }) };
}

type Path = "udp" | "tcp" | "relayUdp" | "relayTcp";

/** What to do when a path fails. */
const advice: Readonly<Record<Path, string>> = {
  udp: "A firewall or VPN blocks UDP on the way, or the server's port is not open to here.",
  tcp: "A firewall blocks the server's TCP port.",
  relayUdp: "A firewall or VPN blocks UDP to the relay.",
  relayTcp: "A firewall blocks TCP to the relay.",
};

/** What a try of a path says. */
export function path(way: Path, a: Attempt): Finding {
  if (!a.problem) {
    const trip = a.roundTrip > 0 ? ` A round trip takes ${(a.roundTrip * 1000).toFixed(0)} ms.` : "";
    return works(`Connected in ${seconds(a.milliseconds)}.${trip}`);
  }
  if (a.problem.failed === "server") return fails(words(a.problem));
  const tried = `No connection after ${seconds(a.milliseconds)}`;
  if (a.problem.code === "encryption" || a.problem.code === "channel") return fails(`${tried}: ${words(a.problem)}`);
  if (way === "relayUdp" || way === "relayTcp") {
    if (a.ours.length > 0) return fails(`${tried}: the relay answers, but does not reach the server. Its settings are wrong.`);
    return fails(`${tried}: the relay does not answer. ${advice[way]}`);
  }
  if (a.ours.length === 0) return fails(`This browser offers no ${way.toUpperCase()} address to reach it at. A VPN or a privacy setting may forbid it.`);
  const at = a.theirs.filter((c) => c.protocol === way).map((c) => `${c.address}, port ${c.port}`);
  return fails(`${tried} to ${[...new Set(at)].join(" or ") || "the server"}. ${advice[way]}`);
}

function absent(way: Path): Finding {
  return { state: "absent", text: way === "tcp" ? "The server does not offer it." : "The server offers no relay for it." };
}

/** All findings in a sentence, and what to do. */
export function verdict(found: Findings): { title: string; text: string } {
  const well = (step: Step): boolean => found[step]?.state === "works";
  for (const step of ["browser", "server"] as const) {
    if (!well(step)) return { title: "No call is possible.", text: found[step]?.text ?? "" };
  }
  const detour = (["tcp", "relayUdp", "relayTcp"] as const).find(well);
  if (!well("udp") && !detour) {
    return found.udp && !found.tcp ? { title: "The server takes no call.", text: found.udp.text } : {
      title: "No sound can travel to the server.",
      text: "Turn a VPN off or try another network. Whoever runs the server can open its UDP port, or offer a relay with --turn.",
    };
  }
  const missing = (["microphone", "loudspeaker"] as const).find((step) => !well(step));
  if (missing) return { title: `Calls connect, but the ${missing} does not work.`, text: found[missing]?.text ?? "" };
  if (!well("udp") && detour === "tcp") {
    return { title: "Calls work by a detour.", text: "UDP is closed, and calls go to the server by TCP: where packets are lost, sound stutters." };
  }
  if (!well("udp")) {
    return { title: "Calls work by a detour.", text: "The direct path is closed, and calls go through the server's relay: they begin about two seconds later." };
  }
  return { title: "Everything works.", text: "Calls go straight to the server." };
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
