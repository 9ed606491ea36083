import assert from "node:assert/strict";
import { test } from "node:test";
import { candidates, filter } from "../src/sdp.js";

const sdp = [
  "v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host",
  "a=candidate:2 1 TCP 1671430143 2001:db8::1 7882 typ host tcptype passive",
  "a=candidate:3 1 udp 1 198.51.100.7 50000 typ relay raddr 0.0.0.0 rport 0",
  "a=candidate:4 1 udp", "a=candidate:5 1 sctp 1 192.0.2.1 1 typ host", "a=end-of-candidates", "",
].join("\r\n");

test("candidates are read, and what is none is not", () => {
  assert.deepEqual(candidates(sdp), [
    { protocol: "udp", type: "host", address: "192.0.2.1", port: 7882 },
    { protocol: "tcp", type: "host", address: "2001:db8::1", port: 7882 },
    { protocol: "udp", type: "relay", address: "198.51.100.7", port: 50000 },
  ]);
  assert.deepEqual(candidates(""), []);
});

test("a filter takes candidates out and leaves the rest as it is", () => {
  assert.equal(filter(sdp, () => true), sdp);
  const tcp = filter(sdp, (c) => c.protocol === "tcp");
  assert.deepEqual(candidates(tcp).map((c) => c.protocol), ["tcp"]);
  assert.equal(tcp.split("\r\n").length, sdp.split("\r\n").length - 2);
});
