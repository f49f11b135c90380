import { BLOCK } from "./long-run/shares.ts";

/** Cases of all targets together that are drawn in continuous integration, beside every damage of the small files. */
export const CASES = 100 * BLOCK;
