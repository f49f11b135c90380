import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { ModelConfig } from "../config.ts";
import { canonicalName } from "./canonical-names.ts";
import { expectedWeights } from "./expected-weights.ts";
import type { SourceWeight } from "./model-source.ts";

/** Faults shown of a checkpoint that does not fit at all. */
const SHOWN = 20;

/**
 * The model's weights by canonical name, in the order of `expectedWeights`.
 * @throws KvDistillError `bad-file` for missing, doubled or misshapen weights and `unsupported` for ones that the
 * configuration has no place for, which would change the mathematics; all of them at once.
 */
export function matchWeights(
  config: ModelConfig,
  weights: readonly SourceWeight[],
  where: string,
): Map<string, SourceWeight> {
  if (config.numLayers > weights.length) {
    throw new KvDistillError("bad-file", "weights and configuration do not fit", {
      where,
      expected: `weights of ${config.numLayers} layers`,
      got: `${weights.length} in all`,
    });
  }
  const expected = expectedWeights(config);
  const found = new Map<string, SourceWeight>();
  const faults: string[] = [];
  const unknown: string[] = [];
  for (const weight of weights) {
    const name = canonicalName(weight.name, config);
    if (name === undefined) continue;
    const dims = expected.get(name);
    if (dims === undefined) unknown.push(quote(weight.name));
    else if (found.has(name)) faults.push(`${quote(weight.name)}: there twice, with and without prefix`);
    else if (dims.join() !== weight.dims.join()) {
      faults.push(
        `${quote(name)}: shape [${weight.dims.join(", ")}], but the configuration gives [${dims.join(", ")}]`,
      );
    }
    found.set(name, weight);
  }
  for (const name of expected.keys()) if (!found.has(name)) faults.push(`${quote(name)}: missing`);
  if (faults.length > 0) {
    throw new KvDistillError("bad-file", "weights and configuration do not fit", { where, faults: shown(faults) });
  }
  if (unknown.length > 0) {
    throw new KvDistillError("unsupported", `weights that a ${config.modelType} model does not have`, {
      where,
      faults: shown(unknown),
    });
  }
  return new Map(
    [...expected.keys()].flatMap((name) => {
      const weight = found.get(name);
      return weight === undefined ? [] : [[name, weight] as const];
    }),
  );
}

function shown(faults: readonly string[]): string[] {
  const more = faults.length - SHOWN;
  return more > 0 ? [...faults.slice(0, SHOWN), `and ${more} more`] : [...faults];
}
