import assert from "node:assert/strict";
import { test } from "node:test";
import { keep, kept, patience, patiences } from "../src/patience.js";

test("a choice is kept, the normal one by keeping nothing", () => {
  const all = new Map<string, string>();
  const store = () => ({
    getItem: (key: string) => all.get(key) ?? null,
    setItem: (key: string, value: string) => void all.set(key, value),
    removeItem: (key: string) => void all.delete(key),
  });
  assert.equal(kept(store).name, "normal");
  for (const p of patiences) {
    keep(store, p);
    assert.equal(kept(store), p);
    assert.equal(all.size, p.factor === undefined ? 0 : 1);
  }
  all.set("parley.patience", "of an angel");
  assert.equal(kept(store).name, "normal");
});

test("a browser that keeps nothing is no trouble", () => {
  const store = (): Storage => {
    throw new DOMException("denied", "SecurityError");
  };
  assert.equal(kept(store).name, "normal");
  keep(store, patience("quick"));
});

test("the choices", () => {
  assert.deepEqual(patiences.map((p) => p.factor), [0.6, undefined, 1.8]);
  assert.equal(patience(null).name, "normal");
});
