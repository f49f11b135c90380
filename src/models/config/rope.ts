import { z } from "zod";
import type { RopeScaling } from "../config.ts";

const positive = z.number().positive();

const parameters = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
  partial_rotary_factor: positive.nullish(),
});

/** The rotary fields of config.json, in the older spelling (`rope_theta`, `rope_scaling`) and the newer one. */
export const ropeFields = {
  rope_theta: positive.nullish(),
  rope_scaling: parameters.nullish(),
  rope_parameters: parameters.nullish(),
  partial_rotary_factor: positive.nullish(),
};

type RopeFields = z.infer<z.ZodObject<typeof ropeFields>>;
type RopeParameters = z.infer<typeof parameters>;

export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling | undefined;
}

/** transformers' base when config.json names none. */
const DEFAULT_THETA = 10_000;

/** Reads either spelling. What cannot be honoured is added to `unsupported`, what contradicts itself to `faults`. */
export function readRope(fields: RopeFields, unsupported: string[], faults: string[]): Rope {
  refusePartial("partial_rotary_factor", fields.partial_rotary_factor, unsupported);
  const spellings = (["rope_scaling", "rope_parameters"] as const).flatMap((name) => {
    const given = fields[name];
    return given === undefined || given === null
      ? []
      : [readSpelling(name, given, fields.rope_theta, unsupported, faults)];
  });
  const [first, second] = spellings;
  if (first !== undefined && second !== undefined && JSON.stringify(first) !== JSON.stringify(second)) {
    faults.push("rope_scaling and rope_parameters contradict each other");
  }
  return first ?? { theta: fields.rope_theta ?? DEFAULT_THETA, scaling: undefined };
}

function readSpelling(
  name: string,
  given: RopeParameters,
  theta: number | null | undefined,
  unsupported: string[],
  faults: string[],
): Rope {
  refusePartial(`${name}.partial_rotary_factor`, given.partial_rotary_factor, unsupported);
  const type = given.rope_type ?? given.type ?? "default";
  const need = (key: "factor" | "low_freq_factor" | "high_freq_factor" | "original_max_position_embeddings") => {
    const value = given[key];
    if (value === undefined || value === null) faults.push(`${name}.${key}: missing for rope_type "${type}"`);
    return value ?? 1;
  };
  const rope = { theta: given.rope_theta ?? theta ?? DEFAULT_THETA };
  switch (type) {
    case "default":
      return { ...rope, scaling: undefined };
    case "linear":
      return { ...rope, scaling: { type, factor: need("factor") } };
    case "llama3": {
      const [lowFreqFactor, highFreqFactor] = [need("low_freq_factor"), need("high_freq_factor")];
      if (highFreqFactor < lowFreqFactor) faults.push(`${name}.high_freq_factor: below low_freq_factor`);
      const originalMaxPositions = need("original_max_position_embeddings");
      return {
        ...rope,
        scaling: { type, factor: need("factor"), lowFreqFactor, highFreqFactor, originalMaxPositions },
      };
    }
    default:
      unsupported.push(`${name}.rope_type: "${type}" (known: default, linear, llama3)`);
      return { ...rope, scaling: undefined };
  }
}

function refusePartial(name: string, factor: number | null | undefined, unsupported: string[]): void {
  if (factor !== undefined && factor !== null && factor !== 1) {
    unsupported.push(`${name}: ${factor} (the whole head is rotated here)`);
  }
}
