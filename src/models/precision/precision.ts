/** Less than float32: int8 computes all of reading with it, int4 short steps alone. */
export const ROUNDED_PRECISIONS = ["int8", "int4"] as const;
/** What training's products with the frozen matrices are computed in. */
export const TRAINING_PRECISIONS = ["fp32", "int8"] as const;
export type RoundedPrecision = (typeof ROUNDED_PRECISIONS)[number];

/** What reading is computed in. */
export type Precision = "fp32" | RoundedPrecision;
export const PRECISIONS: readonly Precision[] = ["fp32", ...ROUNDED_PRECISIONS];

/**
 * Tokens of one engine call that matrices of 4 or 8 bits are used for. Such a step costs what reading the weights costs; longer ones are bound by
 * arithmetic, in which these are no faster than float32 (docs/decisions/0190-quantised-decoding.md).
 */
export const SHORT_STEP = 32;
