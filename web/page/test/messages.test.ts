import assert from "node:assert/strict";
import { test } from "node:test";
import { longest, parse } from "../src/messages.js";
import { shapes } from "../src/schema.js";

const zero = { string: "", number: 0, boolean: false };

/** A valid message of each type. */
const samples = Object.entries(shapes).map(([type, fields]) => ({
  type,
  ...Object.fromEntries(Object.entries(fields).map(([name, kind]) => [name, zero[kind]])),
}));

test("every message of the schema is read", () => {
  assert.equal(samples.length, 7);
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
    }
  }
});

test("what is no message is none", () => {
  const bad: unknown[] = [
    "", "{", "null", "7", '"ended"', "[]", "{}", '{"type":7}', '{"type":"later"}', '{"type":"__proto__"}',
    '{"type":"constructor"}', '{"type":"toString"}', undefined, 7, null, new ArrayBuffer(8),
    `{"type":"ended","reason":"${"x".repeat(longest)}"}`,
  ];
  for (const data of bad) assert.equal(parse(data), undefined, String(data).slice(0, 40));
});
