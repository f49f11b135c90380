import { KvDistillError } from "../util/errors.ts";
import type { Parameters } from "./parameters.ts";

/**
 * Scales gradients in place so that their common Euclidean norm is at most `limit`.
 * @returns the norm before
 * @throws KvDistillError `not-finite`, naming the gradients that are NaN or infinite
 */
export function clipGradients(gradients: Parameters, limit: number): number {
  let squares = 0;
  for (const { data } of gradients.values()) for (const value of data) squares += value * value;
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm)) {
    const broken = [...gradients]
      .filter(([, { data }]) => data.some((value) => !Number.isFinite(value)))
      .map(([name]) => name);
    throw new KvDistillError("not-finite", "gradients are not numbers", {
      faults: broken.length > 0 ? broken : ["the norm overflows"],
      hint: "lower the learning rate, or resume from the last checkpoint with another seed",
    });
  }
  if (norm > limit) {
    const scale = limit / norm;
    for (const { data } of gradients.values()) for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) * scale;
  }
  return norm;
}
