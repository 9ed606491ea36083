import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { pace, Quiet, Reconnect, type Line } from "../src/reconnect.js";

/** A call whose path and server a test turns on and off. */
class Fake implements Line {
  path = true;
  server: "here" | "gone" | "unreachable" | "deaf" = "here";
  restarts = 0;
  asked = 0;
  told: string[] = [];
  /** What a restart does to the path. */
  onrestart = (): void => undefined;
  private packets = 1;
  readonly reconnect = new Reconnect(this, {
    steady: (yes) => this.told.push(yes ? "steady" : "unsteady"),
    lost: () => this.told.push("lost"),
  }, pace);

  connected(): boolean {
    return this.path;
  }

  async received(): Promise<number> {
    return this.path ? (this.packets += 25) : this.packets;
  }

  async alive(signal: AbortSignal): Promise<boolean> {
    this.asked++;
    if (this.server === "unreachable") throw new TypeError("network");
    if (this.server === "deaf") {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    return this.server === "here";
  }

  async restart(): Promise<void> {
    this.restarts++;
    this.onrestart();
  }
}

/** Lets time pass in small steps, and what waits for it run. */
async function pass(milliseconds: number): Promise<void> {
  for (let t = 0; t < milliseconds; t += 50) {
    mock.timers.tick(50);
    for (let i = 0; i < 4; i++) await new Promise((done) => setImmediate(done));
  }
}

function story(name: string, tell: (line: Fake) => Promise<void>): void {
  test(name, async () => {
    mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
    const line = new Fake();
    try {
      line.reconnect.start();
      await tell(line);
    } finally {
      line.reconnect.stop();
      mock.timers.reset();
    }
  });
}

story("while sound comes nothing is done", async (line) => {
  await pass(30_000);
  assert.deepEqual([line.told, line.asked, line.restarts], [[], 0, 0]);
});

story("a path without sound for two seconds is mended by a restart", async (line) => {
  await pass(1000);
  line.path = false;
  line.onrestart = () => { line.path = true; };
  await pass(1400);
  assert.deepEqual(line.told, []);
  await pass(900);
  assert.deepEqual([line.told, line.restarts], [["unsteady"], 1]);
  await pass(1000);
  assert.deepEqual([line.told, line.restarts], [["unsteady", "steady"], 1]);
  await pass(10_000);
  assert.equal(line.told.length, 2);
});

story("restarts follow each other every three seconds until one helps", async (line) => {
  line.path = false;
  void line.reconnect.mend();
  await pass(20_000);
  assert.ok(line.restarts >= 6 && line.restarts <= 7, `${line.restarts}`);
  assert.deepEqual(line.told, ["unsteady"]);
  line.path = true;
  await pass(1000);
  assert.deepEqual(line.told, ["unsteady", "steady"]);
});

story("a path that comes back by itself is enough", async (line) => {
  line.path = false;
  line.server = "unreachable";
  void line.reconnect.mend();
  await pass(5000);
  line.path = true;
  await pass(1500);
  assert.deepEqual([line.told, line.restarts], [["unsteady", "steady"], 0]);
});

story("packets without a connection are no path", async (line) => {
  line.connected = () => false;
  void line.reconnect.mend();
  await pass(10_000);
  assert.deepEqual(line.told, ["unsteady"]);
});

story("a server that has ended the call ends it here", async (line) => {
  line.path = false;
  line.server = "gone";
  void line.reconnect.mend();
  await pass(100);
  assert.deepEqual([line.told, line.restarts], [["unsteady", "lost"], 0]);
});

story("a server out of reach is asked again, and the call given up after a minute", async (line) => {
  line.path = false;
  line.server = "deaf";
  void line.reconnect.mend();
  await pass(59_000);
  assert.deepEqual([line.told, line.restarts], [["unsteady"], 0]);
  assert.ok(line.asked >= 9, `${line.asked}`);
  await pass(8000);
  assert.deepEqual(line.told, ["unsteady", "lost"]);
});

story("a restart that fails does not end the call", async (line) => {
  line.path = false;
  line.onrestart = () => {
    if (line.restarts < 3) throw new DOMException("glare", "InvalidStateError");
    line.path = true;
  };
  void line.reconnect.mend();
  await pass(10_000);
  assert.deepEqual([line.told, line.restarts], [["unsteady", "steady"], 3]);
});

story("a hint ends the waiting", async (line) => {
  line.path = false;
  void line.reconnect.mend();
  await pass(500);
  assert.equal(line.restarts, 1);
  line.reconnect.hint();
  await pass(100);
  assert.equal(line.restarts, 2);
});

story("mending twice is mending once", async (line) => {
  line.path = false;
  void line.reconnect.mend();
  void line.reconnect.mend();
  await pass(2000);
  assert.deepEqual([line.told, line.restarts], [["unsteady"], 1]);
});

story("after the end nothing is told", async (line) => {
  line.path = false;
  line.server = "deaf";
  void line.reconnect.mend();
  await pass(1000);
  line.reconnect.stop();
  await pass(70_000);
  void line.reconnect.mend();
  assert.deepEqual([line.told, line.asked], [["unsteady"], 1]);
});

test("quiet begins with the first packet, and a page that stood still starts anew", () => {
  const q = new Quiet(pace);
  for (let t = 0; t <= 10_000; t += 500) assert.equal(q.step(t, 0), false, `${t}`);
  assert.equal(q.step(10_500, 7), false);
  assert.deepEqual([11_000, 11_500, 12_000, 12_500].map((t) => q.step(t, 7)), [false, false, false, true]);
  assert.equal(q.step(60_000, 7), false);
  assert.deepEqual([60_500, 61_000, 61_500, 62_000].map((t) => q.step(t, 7)), [false, false, false, true]);
});

test("after a hint a second is enough", () => {
  const q = new Quiet(pace);
  q.step(1000, 7);
  q.hint(1100);
  assert.deepEqual([1500, 2000, 2500].map((t) => q.step(t, 7)), [false, false, true]);
  const slept = new Quiet(pace);
  slept.step(1000, 7);
  slept.hint(3_600_000);
  assert.equal(slept.step(3_600_500, 7), false);
  assert.equal(slept.step(3_601_000, 7), true);
  const well = new Quiet(pace);
  well.step(1000, 7);
  well.hint(1500);
  assert.deepEqual([2000, 2500, 3000, 3500].map((t) => well.step(t, t)), [false, false, false, false]);
});
