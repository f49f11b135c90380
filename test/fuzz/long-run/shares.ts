import type { Target } from "../target.ts";
import { TARGETS } from "../targets/index.ts";

/** Cases are run in blocks: of each block a target gets its share. */
export const BLOCK = 1000;

/** Cases of a target in some blocks over `targets`. */
export function casesOf(target: Target, blocks: number, targets: readonly Target[] = TARGETS): number {
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  return Math.round((target.share * BLOCK) / shares) * blocks;
}
