import { type AskedKeep, keyValueBytes } from "../cache/kv-cache.ts";
import type { ModelConfig } from "../models/config.ts";
import { KvDistillError } from "../util/errors.ts";
import { keptCount } from "./kept-count.ts";

/** Bytes of a stored value: caches are saved as F16 by default. */
const STORED_BYTES = 2;

/**
 * Rows that a request allows for a context of `tokens` tokens. A number of tokens or bytes is obtained exactly or refused.
 * @throws KvDistillError `bad-argument` when it is less than the sinks and one row, or not a number
 */
export function rowsFor(asked: AskedKeep, tokens: number, sinks: number, config: ModelConfig): number {
  if (asked.kind === "fraction") return keptCount(tokens, asked.value, sinks);
  const rowBytes = keyValueBytes(config, 1, STORED_BYTES);
  const rows = asked.kind === "tokens" ? asked.value : Math.floor(asked.value / rowBytes);
  const least = Math.min(tokens, sinks + 1);
  if (!Number.isInteger(rows) || rows < least) {
    throw new KvDistillError("bad-argument", "the budget is too small", {
      where: asked.kind,
      expected:
        asked.kind === "tokens" ? `at least ${least} tokens` : `at least ${least * rowBytes} bytes (${least} tokens)`,
      got: String(asked.value),
    });
  }
  return Math.min(tokens, rows);
}
