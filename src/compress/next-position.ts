import type { CompressionMethod } from "./method.ts";

/**
 * Position at which reading goes on after a stretch of which a method kept rows (METHOD section 4), counted from the stretch's first.
 * @param method none for a stretch that was read whole
 */
export function nextPosition(
  method: Pick<CompressionMethod, "readPositions"> | undefined,
  tokens: number,
  rows: number,
): number {
  return method?.readPositions === "kept" ? rows : tokens;
}
