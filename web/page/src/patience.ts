// How patient the agent is with the person at this page: a choice that the browser keeps.

/** One choice. */
export interface Patience {
  readonly name: string;
  readonly label: string;
  /** What it means, in a few words. */
  readonly meaning: string;
  /** What the waits at the end of a turn are multiplied by. Undefined: they are as the server has them. */
  readonly factor: number | undefined;
}

const normal: Patience = { name: "normal", label: "Normal", meaning: "after a short pause", factor: undefined };

/** The choices there are. */
export const patiences: readonly Patience[] = [
  { name: "quick", label: "Quick", meaning: "answers sooner", factor: 0.6 },
  normal,
  { name: "patient", label: "Patient", meaning: "time to think", factor: 1.8 },
];

/** Where it is kept: the page's local storage, or what stands in for it. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const key = "parley.patience";

/** The choice of a name; normal if there is none. */
export function patience(name: string | null): Patience {
  return patiences.find((p) => p.name === name) ?? normal;
}

/** The choice that was kept. A browser that keeps nothing has the normal one. */
export function kept(store: () => Store): Patience {
  try {
    return patience(store().getItem(key));
  } catch {
    return normal;
  }
}

/** Keeps a choice, if the browser lets the page keep anything. */
export function keep(store: () => Store, p: Patience): void {
  try {
    if (p === normal) store().removeItem(key);
    else store().setItem(key, p.name);
  } catch {
    // it lasts as long as the page
  }
}
