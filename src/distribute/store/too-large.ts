import { KvDistillError } from "../../util/errors.ts";

export function tooLarge(where: string, bytes: number, maxBytes: number): KvDistillError {
  const [expected, got] = [`at most ${maxBytes} bytes`, String(bytes)];
  return new KvDistillError("too-large", "the file in the store is over the limit", { where, expected, got });
}
