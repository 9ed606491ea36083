// Where the console is, as a link tells: #id&t=12.3 is a second of a conversation, #?text=… a list with its filter.

/** What a list is filtered by. Empty: anything. Dates are days of the reader's calendar: 2026-11-20. */
export interface Filter {
  text: string;
  state: string;
  with: string;
  since: string;
  until: string;
  least: string;
}

export const anything: Readonly<Filter> = { text: "", state: "", with: "", since: "", until: "", least: "" };

export interface Place {
  /** The conversation; undefined: the list. */
  readonly id: string | undefined;
  /** The second in it. */
  readonly at: number;
  readonly filter: Filter;
}

/** Reads the part of an address after the #, with it. */
export function parse(hash: string): Place {
  const text = hash.replace(/^#/, "");
  const filter = { ...anything };
  if (text === "" || text.startsWith("?")) {
    const q = new URLSearchParams(text.slice(1));
    for (const name of Object.keys(filter) as (keyof Filter)[]) filter[name] = q.get(name) ?? "";
    return { id: undefined, at: 0, filter };
  }
  const [id, ...rest] = text.split("&");
  const at = Number(new URLSearchParams(rest.join("&")).get("t") ?? 0);
  return { id, at: Number.isFinite(at) && at > 0 ? at : 0, filter };
}

/** The link to a second of a conversation. */
export function toSecond(id: string, at: number): string {
  return at >= 0.05 ? `#${id}&t=${at.toFixed(1)}` : `#${id}`;
}

/** The link to a list. */
export function toList(f: Filter): string {
  const q = new URLSearchParams(Object.entries(f).filter(([, v]) => v !== ""));
  return q.size > 0 ? `#?${q}` : "#";
}

/** The query that the server is asked with. */
export function query(f: Filter): string {
  const q = new URLSearchParams();
  for (const name of ["text", "state", "with", "least"] as const) if (f[name].trim()) q.set(name, f[name].trim());
  const day = (text: string, days: number): string | undefined => {
    const d = new Date(`${text}T00:00`);
    if (Number.isNaN(d.getTime())) return undefined;
    d.setDate(d.getDate() + days);
    return d.toISOString();
  };
  const [since, until] = [day(f.since, 0), day(f.until, 1)];
  if (since) q.set("since", since);
  if (until) q.set("until", until);
  return q.toString();
}

/** A path as a shell takes it. */
export function shell(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
