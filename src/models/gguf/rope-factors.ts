import { KvDistillError } from "../../util/errors.ts";

/** The tensor by which GGUF files of Llama 3.1 and later carry their rotary scaling: a divisor for each frequency. */
export const ROPE_FACTORS = "rope_freqs.weight";

/** What every released model with that tensor was trained with; only `factor` differs between them. */
const LOW_FREQ_FACTOR = 1;
const HIGH_FREQ_FACTOR = 4;
const ORIGINAL_MAX_POSITIONS = 8192;

/**
 * The scaling parameters, in config.json's spelling, that give these divisors. The file does not tell them: the
 * released models' are tried, and must reproduce the divisors to five digits.
 * @param factors [headDim / 2]
 * @throws KvDistillError `unsupported` when they do not.
 */
export function ropeScalingFromFactors(factors: Float32Array, theta: number, where: string): object {
  const factor = factors.reduce((most, value) => Math.max(most, value), -Infinity);
  const expected = llama3Factors(factor, theta, factors.length);
  const differs = expected.some((value, i) => Math.abs((factors[i] ?? 0) / value - 1) > 1e-5);
  if (differs || !Number.isFinite(factor)) {
    throw new KvDistillError("unsupported", "rotary divisors that are not those of Llama 3", {
      where: `${where}: tensor ${ROPE_FACTORS}`,
    });
  }
  return {
    rope_type: "llama3",
    factor,
    low_freq_factor: LOW_FREQ_FACTOR,
    high_freq_factor: HIGH_FREQ_FACTOR,
    original_max_position_embeddings: ORIGINAL_MAX_POSITIONS,
  };
}

/** Llama 3's divisor of each rotary frequency (see `RopeScaling` in config.ts). */
function llama3Factors(factor: number, theta: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** (i / count);
    const turns = ORIGINAL_MAX_POSITIONS / wavelength;
    if (turns > HIGH_FREQ_FACTOR) return 1;
    if (turns < LOW_FREQ_FACTOR) return factor;
    const smooth = (turns - LOW_FREQ_FACTOR) / (HIGH_FREQ_FACTOR - LOW_FREQ_FACTOR);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
