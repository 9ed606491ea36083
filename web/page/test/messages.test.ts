import assert from "node:assert/strict";
import { test } from "node:test";
import { longest, parse } from "../src/messages.js";
import { shapes } from "../src/schema.js";

const zero = { string: "", number: 0, boolean: false };

type Shape = keyof typeof zero | { readonly [field: string]: Shape };

/** The least value of a shape. */
function least(shape: Shape): unknown {
  if (typeof shape === "string") return zero[shape];
  return Object.fromEntries(Object.entries(shape).map(([name, inner]) => [name, least(inner)]));
}

/** A valid message of each type. */
const samples = Object.entries(shapes).map(([type, shape]) => ({ type, ...(least(shape) as object) }));

test("every message of the schema is read", () => {
  assert.equal(samples.length, 9);
  for (const m of samples) assert.deepEqual(parse(JSON.stringify(m)), m);
});

test("unknown fields are ignored", () => {
  assert.equal(parse('{"type":"ended","reason":"x","later":{"a":[1]}}')?.type, "ended");
});

test("a message with a missing or mistyped field is none", () => {
  for (const m of samples) {
    for (const name of Object.keys(m)) {
      const { [name as "type"]: _, ...without } = m;
      assert.equal(parse(JSON.stringify(without)), undefined, `${m.type} without ${name}`);
      assert.equal(parse(JSON.stringify({ ...m, [name]: null })), undefined, `${m.type} with null ${name}`);
      assert.equal(parse(JSON.stringify({ ...m, [name]: {} })), undefined, `${m.type} with object ${name}`);
      assert.equal(parse(JSON.stringify({ ...m, [name]: [1] })), undefined, `${m.type} with list ${name}`);
    }
  }
});

test("the fields of an object in a message are checked too", () => {
  const m = samples.find((s) => s.type === "counters") as { type: string; up: object };
  assert.deepEqual(parse(JSON.stringify(m)), m);
  assert.equal(parse(JSON.stringify({ ...m, up: { ...m.up, loss: "much" } })), undefined);
  assert.equal(parse(JSON.stringify({ ...m, up: 7 })), undefined);
});

test("what is no message is none", () => {
  const bad: unknown[] = [
    "", "{", "null", "7", '"ended"', "[]", "{}", '{"type":7}', '{"type":"later"}', '{"type":"__proto__"}',
    '{"type":"constructor"}', '{"type":"toString"}', undefined, 7, null, new ArrayBuffer(8),
    `{"type":"ended","reason":"${"x".repeat(longest)}"}`,
  ];
  for (const data of bad) assert.equal(parse(data), undefined, String(data).slice(0, 40));
});
