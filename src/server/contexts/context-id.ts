import { randomBytes } from "node:crypto";

/** Name of a stored context, made by the server: when it was made, in seconds, and 96 random bits. */
export type ContextId = string;

export const CONTEXT_ID = /^ctx_[0-9a-f]{8}[0-9a-f]{24}$/;

export function newContextId(): ContextId {
  const seconds = Math.floor(Date.now() / 1000);
  return `ctx_${seconds.toString(16).padStart(8, "0")}${randomBytes(12).toString("hex")}`;
}

/** Unix time in seconds at which a context was made. */
export function createdAt(id: ContextId): number {
  return Number.parseInt(id.slice(4, 12), 16);
}
