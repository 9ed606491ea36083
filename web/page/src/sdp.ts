// The few things the page reads in session descriptions. Pure.

/** An address at which one side may be reached. */
export interface Candidate {
  readonly protocol: "udp" | "tcp";
  readonly type: string; // host, srflx, prflx, relay
  readonly address: string;
  readonly port: number;
}

const line = /^a=candidate:\S+ \d+ (udp|tcp) \d+ (\S+) (\d+) typ (\S+)/i;

/** The candidates in a description. */
export function candidates(sdp: string): Candidate[] {
  return sdp.split(/\r?\n/).map(candidate).filter((c) => c !== undefined);
}

/** A description with only those of its candidates that are to be kept. */
export function filter(sdp: string, keep: (c: Candidate) => boolean): string {
  return sdp.split(/\r?\n/).filter((text) => {
    const c = candidate(text);
    return !c || keep(c);
  }).join("\r\n");
}

function candidate(text: string): Candidate | undefined {
  const [, protocol, address, port, type] = line.exec(text) ?? [];
  if (!protocol || !address || !port || !type) return undefined;
  return { protocol: protocol.toLowerCase() === "tcp" ? "tcp" : "udp", type, address, port: Number(port) };
}
