// Microphones: which there are, and opening one.

import { Failure, problem, refusedMicrophone } from "./problem.js";

/** A microphone to choose from. Its name is empty until the browser was allowed to tell it. */
export interface Microphone {
  readonly id: string;
  readonly name: string;
}

/** Whether this page can have a microphone at all. */
export function reachable(): boolean {
  return isSecureContext && navigator.mediaDevices !== undefined;
}

/** The microphones of this computer; the system's choice among them has no entry of its own. */
export async function listMicrophones(): Promise<Microphone[]> {
  if (!reachable()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices
    .filter((d) => d.kind === "audioinput" && !["", "default", "communications"].includes(d.deviceId))
    .map((d) => ({ id: d.deviceId, name: d.label }));
}

/** Opens a microphone: the system's choice if id is empty or its device is gone. Throws a Failure. */
export async function openMicrophone(id: string): Promise<MediaStreamTrack> {
  if (!reachable()) throw new Failure(problem("insecure"));
  const wishes = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
  try {
    const audio = id ? { ...wishes, deviceId: { exact: id } } : wishes;
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    const track = stream.getAudioTracks()[0];
    if (!track) throw new DOMException("no audio track", "NotFoundError");
    return track;
  } catch (e) {
    const code = refusedMicrophone(e instanceof DOMException ? e.name : "");
    if (code === "no-microphone" && id) return openMicrophone("");
    throw new Failure(problem(code));
  }
}
