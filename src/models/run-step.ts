import type { Program, Resident } from "../runtime/runtime.ts";
import { pickFeeds, residentOf } from "../runtime/feeding.ts";
import { ints, type Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { ModelConfig } from "./config.ts";
import type { LayerCache } from "./layer-cache.ts";
import { readingBias } from "./reading-bias.ts";
import { rotaryTables } from "./rotary.ts";

/** One call of a step graph. */
export interface StepCall {
  readonly program: Program;
  readonly config: ModelConfig;
  /** New tokens, equally many of every sequence of the cache, sequence by sequence. */
  readonly ids: readonly number[];
  readonly cache: LayerCache;
  /** Blocks that the program computes. */
  readonly layers: number;
  /** Position of every new token, and who sees what, [sequences, 1, tokens, capacity + tokens]; left out: one sequence is read on. */
  readonly places?: { readonly positions: readonly number[]; readonly bias: Tensor<"float32"> };
  /** Inputs beside tokens, positions and cache. */
  readonly extra: Readonly<Record<string, Tensor | Resident>>;
}

/** Reads `ids` on top of the cache: the new rows are appended to it, the other outputs come back. */
export async function runStep({
  program,
  config,
  ids,
  cache,
  layers,
  places,
  extra,
}: StepCall): Promise<Readonly<Record<string, Tensor>>> {
  const { base } = cache;
  if (base !== undefined && !program.inputs.includes("layers.0.base.0.keys")) {
    throw new KvDistillError("bad-argument", "the graph does not read heads with different numbers of rows", {
      where: "ragged",
    });
  }
  const tokens = ids.length / cache.sequences;
  await cache.reserve(cache.length + tokens);
  const { positions, bias } = places ?? {
    positions: ids.map((_, i) => cache.position + i),
    bias: readingBias(tokens, cache.length, cache.capacity),
  };
  const rows = ids.map((_, i) => i);
  const feeds: Record<string, Tensor | Resident> = {
    ids: ints([ids.length], ids),
    positions: ints([ids.length], positions),
    bias,
    ...(config.family === "llama"
      ? { ...rotaryTables(config, positions), rotaryRows: ints([cache.sequences, tokens], rows) }
      : {}),
    ...extra,
  };
  const names: string[] = [];
  for (let i = 0; i < layers; i++) {
    const { keys, values } = cache.layer(i);
    feeds[`layers.${i}.past.keys`] = keys;
    feeds[`layers.${i}.past.values`] = values;
    Object.assign(feeds, base?.feeds(i));
    names.push(`layers.${i}.keys`, `layers.${i}.values`);
  }
  const { residents, outputs } = await program.runKeeping(pickFeeds(program, feeds), names);
  const own = Array.from({ length: layers }, (_, i) => ({
    keys: residentOf(residents, `layers.${i}.keys`),
    values: residentOf(residents, `layers.${i}.values`),
  }));
  await cache.append(own, tokens);
  return outputs;
}
