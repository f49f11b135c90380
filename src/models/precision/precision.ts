/** How short steps of reading are computed. */
export type Precision = "fp32" | "int8" | "int4";

export const PRECISIONS: readonly Precision[] = ["fp32", "int8", "int4"];

/**
 * Tokens of one engine call that matrices of 4 or 8 bits are used for. Such a step costs what reading the weights costs; longer ones are bound by
 * arithmetic, in which float32 is as fast (docs/decisions/0190-quantised-decoding.md).
 */
export const SHORT_STEP = 32;
