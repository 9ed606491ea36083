// Reading what arrives on the data channel. Nothing that arrives is trusted: a message that is not JSON,
// of unknown type or with a missing or mistyped field is no message.

import { shapes, type Message } from "./schema.js";

/** Longer messages are not read. In UTF-16 units. */
export const longest = 256 * 1024;

/** The type of a field, or the fields of an object in it. */
type Shape = string | { readonly [field: string]: Shape };

/** The message in data, or undefined if it holds none. Unknown fields are ignored. */
export function parse(data: unknown): Message | undefined {
  if (typeof data !== "string" || data.length > longest) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined;
  }
  return isMessage(value) ? value : undefined;
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  const type = value.type;
  return typeof type === "string" && Object.hasOwn(shapes, type) && fits(value, shapes[type as keyof typeof shapes]);
}

function fits(value: unknown, shape: Shape): boolean {
  if (typeof shape === "string") return typeof value === shape;
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Record<string, unknown>;
  return Object.entries(shape).every(([name, inner]) => Object.hasOwn(fields, name) && fits(fields[name], inner));
}
