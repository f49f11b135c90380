/** Text of a shard at most, where it holds more than one piece; in characters. */
export const SHARD_SIZE = 32_768;

/**
 * Cuts a list into stretches of about equal size, in order. It decides who does what, never what comes out.
 * @param sizeOf in any unit, that of `most`
 * @param most of a stretch; a larger piece stands alone
 */
export function cutBySize<T>(pieces: readonly T[], sizeOf: (piece: T) => number, most: number): T[][] {
  const shards: T[][] = [];
  let size = 0;
  for (const piece of pieces) {
    const own = sizeOf(piece);
    const last = shards.at(-1);
    if (last !== undefined && size + own <= most) {
      last.push(piece);
      size += own;
    } else {
      shards.push([piece]);
      size = own;
    }
  }
  return shards;
}
