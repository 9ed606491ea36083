import assert from "node:assert/strict";
import { test } from "node:test";
import { path, reached, steps, verdict, type Attempt, type Finding, type Findings, type Step } from "../src/diagnosis.js";
import { problem } from "../src/problem.js";

const udp = { protocol: "udp", type: "host", address: "192.0.2.1", port: 7882 } as const;
const tcp = { ...udp, protocol: "tcp" } as const;
const relay = { ...udp, type: "relay", port: 50000 } as const;
const none: Attempt = { milliseconds: 6010, roundTrip: 0, ours: [], theirs: [], relays: [], problem: problem("path") };

test("a path that works says how long it took", () => {
  const up: Attempt = { milliseconds: 312, roundTrip: 0, ours: [udp], theirs: [udp], relays: [] };
  assert.deepEqual(path("udp", up), { state: "works", text: "Connected in 0.31 s." });
  assert.deepEqual(path("udp", { ...up, roundTrip: 0.0234 }), { state: "works", text: "Connected in 0.31 s. A round trip takes 23 ms." });
});

test("a path that fails says what was tried and what to do", () => {
  const want: [Parameters<typeof path>[0], Partial<Attempt>, RegExp][] = [
    ["udp", { ours: [udp], theirs: [udp, tcp, udp] }, /^No connection after 6\.01 s to 192\.0\.2\.1, port 7882\. .*blocks UDP/],
    ["tcp", { ours: [tcp], theirs: [tcp] }, /to 192\.0\.2\.1, port 7882\. .*TCP port\.$/],
    ["udp", { theirs: [udp] }, /^This browser offers no UDP address/],
    ["udp", { ours: [udp], theirs: [udp], problem: problem("encryption") }, /could not be encrypted/],
    ["tcp", { theirs: [tcp], problem: problem("busy") }, /^The server is in as many conversations/],
    ["relayUdp", {}, /the relay does not answer\. .*UDP/],
    ["relayTcp", { ours: [relay] }, /the relay answers, but does not reach the server/],
  ];
  for (const [way, a, text] of want) {
    const f = path(way, { ...none, ...a });
    assert.equal(f.state, "fails");
    assert.match(f.text, text);
  }
});

test("relays are told apart by how they are reached", () => {
  const servers = [
    { urls: "stun:192.0.2.1:3478" },
    { urls: ["turn:192.0.2.1:3478", "turn:192.0.2.1:3478?transport=tcp", "turns:192.0.2.1:5349"], username: "u", credential: "c" },
  ];
  assert.deepEqual(reached(servers, false), [{ urls: ["turn:192.0.2.1:3478"], username: "u", credential: "c" }]);
  assert.deepEqual(reached(servers, true).map((s) => s.urls), [["turn:192.0.2.1:3478?transport=tcp", "turns:192.0.2.1:5349"]]);
  assert.deepEqual(reached([], true), []);
});

/** Findings in which all works but what is named. */
function but(...bad: Step[]): Findings {
  const all = Object.keys(steps).map((s): [string, Finding] =>
    [s, bad.includes(s as Step) ? { state: "fails", text: `${s} is bad.` } : { state: "works", text: "Good." }]);
  return Object.fromEntries(all);
}

test("the verdict names the first thing to mend", () => {
  const want: [Findings, string, RegExp][] = [
    [but(), "Everything works.", /straight/],
    [but("tcp", "relayUdp", "relayTcp"), "Everything works.", /straight/],
    [but("udp"), "Calls work by a detour.", /by TCP: .*stutters/],
    [but("udp", "tcp", "relayUdp"), "Calls work by a detour.", /relay: .*two seconds/],
    [but("udp", "tcp", "relayUdp", "relayTcp"), "No sound can travel to the server.", /--turn/],
    [but("microphone"), "Calls connect, but the microphone does not work.", /microphone is bad/],
    [but("loudspeaker", "udp"), "Calls connect, but the loudspeaker does not work.", /loudspeaker is bad/],
    [{ browser: { state: "fails", text: "Old." } }, "No call is possible.", /Old/],
    [{ ...but(), server: { state: "fails", text: "Down." } }, "No call is possible.", /Down/],
    [{ browser: but().browser!, server: but().server!, udp: { state: "fails", text: "All lines are busy." } }, "The server takes no call.", /busy/],
  ];
  for (const [found, title, text] of want) {
    const v = verdict(found);
    assert.equal(v.title, title);
    assert.match(v.text, text);
  }
});
