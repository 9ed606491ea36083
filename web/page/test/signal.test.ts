import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Failure } from "../src/problem.js";
import { alive, leave, offer, reoffer } from "../src/signal.js";

const base = new URL("https://agent.example/talk/");
Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });

const never = new AbortController().signal;

/** Runs f with a server that gives one answer, and returns what it was asked. */
async function asked(answer: Response | Error, f: () => Promise<unknown>): Promise<{ url: string; init: RequestInit }> {
  const server = mock.method(globalThis, "fetch", async () => {
    if (answer instanceof Error) throw answer;
    return answer;
  });
  try {
    await f();
  } finally {
    server.mock.restore();
  }
  const [url, init] = server.mock.calls[0]?.arguments as unknown as [URL, RequestInit];
  return { url: url.href, init };
}

const answers = (body: object, status = 200): Response => new Response(JSON.stringify(body), { status });

test("an offer's answer has the relays that are well formed", async () => {
  const servers = [
    { urls: ["turn:192.0.2.1:3478", "http://192.0.2.1", 7], username: "u", credential: "c" },
    { urls: "stun:192.0.2.1:3478" }, { urls: [] }, { urls: 7 }, {}, null, "turn:x",
  ];
  const { url } = await asked(answers({ sdp: "v=0", session: "one", iceServers: servers }), async () => {
    assert.deepEqual(await offer(base, "v=0", never, 1000), {
      sdp: "v=0", session: "one",
      servers: [{ urls: ["turn:192.0.2.1:3478"], username: "u", credential: "c" }, { urls: ["stun:192.0.2.1:3478"], username: "", credential: "" }],
    });
  });
  assert.equal(url, "https://agent.example/talk/offer");
  for (const iceServers of [undefined, null, 7, {}, "x"]) {
    await asked(answers({ sdp: "v=0", session: "one", iceServers }), async () => {
      assert.deepEqual((await offer(base, "v=0", never, 1000)).servers, []);
    });
  }
});

test("an offer asks for patience only if there is a wish", async () => {
  for (const [patience, body] of [[undefined, '{"sdp":"v=0","type":"offer"}'], [1.8, '{"sdp":"v=0","type":"offer","patience":1.8}']] as const) {
    const { init } = await asked(answers({ sdp: "v=0", session: "one" }), () => offer(base, "v=0", never, 1000, patience));
    assert.equal(init.body, body);
  }
});

test("a further offer goes to the session", async () => {
  const { url, init } = await asked(answers({ sdp: "v=0 b" }), async () => {
    assert.deepEqual(await reoffer(base, "a/b", "v=0 a", never, 1000), { sdp: "v=0 b", session: "a/b", servers: [] });
  });
  assert.equal(url, "https://agent.example/talk/sessions/a%2Fb/offer");
  assert.deepEqual([init.method, init.body], ["POST", '{"sdp":"v=0 a","type":"offer"}']);
  for (const refused of [answers({ error: "glare" }, 409), answers({}), new Response("<html>")]) {
    await asked(refused, () => assert.rejects(reoffer(base, "one", "v=0", never, 1000), /renew the call/));
  }
  await asked(new TypeError("network"), () => assert.rejects(reoffer(base, "one", "v=0", never, 1000), Failure));
});

test("a session is alive, or over, or nobody knows", async () => {
  for (const [status, yes] of [[200, true], [404, false], [410, false]] as const) {
    const { url } = await asked(answers({}, status), async () => assert.equal(await alive(base, "one", never), yes));
    assert.equal(url, "https://agent.example/talk/sessions/one");
  }
  for (const answer of [answers({}, 502), answers({}, 429), new TypeError("network")]) {
    await asked(answer, () => assert.rejects(alive(base, "one", never)));
  }
});

test("leaving needs no answer", async () => {
  const { url, init } = await asked(new TypeError("network"), async () => leave(base, "one"));
  assert.deepEqual([url, init.method, init.keepalive], ["https://agent.example/talk/sessions/one", "DELETE", true]);
});
