import { sha256 } from "../../util/sha256.ts";
import type { ModelConfig } from "../config.ts";

/** The sha256 of one weight's float32 values, little-endian, row-major; as hex. */
export function weightDigest(values: Uint8Array): string {
  return sha256().update(values).hex();
}

/**
 * The identity of a model: sha256 over what it computes, so that the same model has one hash whichever files it came in.
 * Hashed text: a JSON object of the configuration's mathematical fields, keys in alphabetical order, then a line for each
 * weight in alphabetical order, `["name",[dims],"sha256 of its float32 values"]`; lines end in "\n".
 */
export function modelHash(
  config: ModelConfig,
  weights: ReadonlyMap<string, { readonly dims: readonly number[]; readonly digest: string }>,
): string {
  const hash = sha256();
  hash.update(`${JSON.stringify(mathematics(config))}\n`);
  for (const name of [...weights.keys()].sort()) {
    const weight = weights.get(name);
    hash.update(`${JSON.stringify([name, weight?.dims, weight?.digest])}\n`);
  }
  return hash.hex();
}

/**
 * The fields that change what a model computes. Not its limits, its name or its end tokens. Epsilon and theta as float32,
 * which is how GGUF stores them and how the engine uses the first.
 */
function mathematics(config: ModelConfig): object {
  const common = {
    activation: config.activation,
    family: config.family,
    headDim: config.headDim,
    normEpsilon: Math.fround(config.normEpsilon),
    numKvHeads: config.numKvHeads,
    numQueryHeads: config.numQueryHeads,
    tieWordEmbeddings: config.tieWordEmbeddings,
  };
  if (config.positions === "learned") return common;
  return {
    ...common,
    ropeScaling: config.ropeScaling ?? null,
    ropeTheta: Math.fround(config.ropeTheta),
    slidingWindow: config.slidingWindow ?? null,
  };
}
