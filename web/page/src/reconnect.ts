// Keeping a call through changes of the network: noticing that the path is lost, and restarting ICE until
// sound comes again, the server says that the call is over, or it has taken too long.

/** What is kept. */
export interface Line {
  /** The transport says that it is connected. */
  connected(): boolean;
  /** Packets of sound received so far. */
  received(): Promise<number>;
  /** Asks the server whether the call still exists. Throws if it cannot be reached. */
  alive(signal: AbortSignal): Promise<boolean>;
  /** Restarts ICE once: an offer and its answer. Throws if that did not come about. */
  restart(signal: AbortSignal): Promise<void>;
}

/** Times in milliseconds. */
export interface Pace {
  /** How often it is looked whether sound comes: longer than the server ever pauses, which is 400. */
  look: number;
  /** No sound for this long is a lost path. */
  quiet: number;
  /** The same after a hint that the network may have changed. */
  hinted: number;
  /** How long the question whether the call exists may take. */
  ask: number;
  /** How long a restart may take until its answer has come. */
  restart: number;
  /** How long after a restart the next follows. */
  again: number;
  /** How long after a question without an answer, or an offer without one, the next follows. */
  retry: number;
  /** When to give up. The server keeps a lost call no longer than this. */
  giveUp: number;
}

export const pace: Pace = { look: 500, quiet: 2000, hinted: 1000, ask: 3000, restart: 10_000, again: 3000, retry: 1000, giveUp: 60_000 };

/** Says from the count of packets when nothing has come for too long. The first packet begins it. Pure. */
export class Quiet {
  private count = 0;
  private since = 0;
  private looked = 0;

  constructor(private readonly pace: Pace) {}

  /** Takes the next count, at a time in milliseconds. */
  step(now: number, count: number): boolean {
    if (count !== this.count || this.slept(now)) this.since = now;
    this.looked = now;
    this.count = count;
    return count > 0 && now - this.since >= this.pace.quiet;
  }

  /** The network may have changed: be quicker to believe that the path is lost. */
  hint(now: number): void {
    const since = now - this.pace.quiet + this.pace.hinted;
    this.since = this.slept(now) ? since : Math.min(this.since, since);
    this.looked = now;
  }

  /** The page stood still since it last looked: that nothing came to it says nothing. */
  private slept(now: number): boolean {
    return now - this.looked > 3 * this.pace.look;
  }
}

/** Watches the path of a line and mends it. */
export class Reconnect {
  private readonly over = new AbortController();
  private readonly quiet: Quiet;
  private timer: ReturnType<typeof setInterval> | undefined;
  private mending = false;
  private wake = (): void => undefined;

  /** steady tells that the path is lost, and that it is back; lost that it will not come back. */
  constructor(
    private readonly line: Line,
    private readonly tell: { steady(yes: boolean): void; lost(): void },
    private readonly pace: Pace,
  ) {
    this.quiet = new Quiet(pace);
  }

  /** Watches from now on. */
  start(): void {
    this.timer = setInterval(() => void this.look(), this.pace.look);
  }

  /** Stops for good, also what is under way. Nothing is told from then on. */
  stop(): void {
    clearInterval(this.timer);
    this.over.abort();
    this.wake();
  }

  /** The network may have changed. */
  hint(): void {
    this.quiet.hint(Date.now());
    this.wake();
  }

  /** The path is lost: mends it and tells. Does nothing while that is under way. */
  async mend(): Promise<void> {
    if (this.mending || this.over.signal.aborted) return;
    this.tell.steady(false);
    const well = await this.heal(this.pace.giveUp);
    if (this.over.signal.aborted) return;
    if (well) return this.tell.steady(true);
    this.stop();
    this.tell.lost();
  }

  /** Restarts ICE again and again: true when sound comes, false if the call is over or the time is up. */
  async heal(milliseconds: number): Promise<boolean> {
    const end = Date.now() + milliseconds;
    this.mending = true;
    try {
      do {
        const wait = await this.attempt();
        if (wait === "over") return false;
        if (await this.back(wait)) return true;
      } while (Date.now() < end && !this.over.signal.aborted);
      return false;
    } finally {
      this.mending = false;
    }
  }

  /**
   * One restart: returns how long to wait for what comes of it, unless the call is over. What goes wrong in it is no
   * reason to give up: the next one begins anew.
   */
  private async attempt(): Promise<number | "over"> {
    try {
      if (!(await this.within(this.pace.ask, (signal) => this.line.alive(signal)))) return "over";
      await this.within(this.pace.restart, (signal) => this.line.restart(signal));
      return this.pace.again;
    } catch {
      return this.pace.retry; // the server is out of reach, or this offer came to nothing
    }
  }

  /** Waits for sound until it is time for the next restart, or a hint. */
  private async back(milliseconds: number): Promise<boolean> {
    const end = Date.now() + milliseconds;
    let before = await this.received();
    for (let hinted = false; !hinted && Date.now() < end && !this.over.signal.aborted;) {
      hinted = await this.pause(this.pace.look);
      const now = await this.received();
      if (this.line.connected() && now > before) return true;
      before = now;
    }
    return false;
  }

  private async look(): Promise<void> {
    if (this.mending) return;
    const count = await this.received();
    if (this.quiet.step(Date.now(), count)) await this.mend();
  }

  private received(): Promise<number> {
    return this.line.received().catch(() => 0);
  }

  /** Waits; true if a hint cut it short. */
  private pause(milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Runs f with a signal that ends in time, and when all is over. */
  private async within<T>(milliseconds: number, f: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const both = new AbortController();
    const abort = (): void => both.abort();
    const timer = setTimeout(abort, milliseconds);
    this.over.signal.addEventListener("abort", abort);
    try {
      this.over.signal.throwIfAborted();
      return await f(both.signal);
    } finally {
      clearTimeout(timer);
      this.over.signal.removeEventListener("abort", abort);
    }
  }
}
