import type { Program, Resident } from "../runtime/runtime.ts";
import { pickFeeds, residentOf } from "../runtime/feeding.ts";
import { ints, type Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { ModelConfig } from "./config.ts";
import type { LayerCache } from "./layer-cache.ts";
import { readingBias, readingReach } from "./reading-bias.ts";
import { rotaryTables } from "./rotary.ts";

/** One call of a step graph. */
export interface StepCall {
  readonly program: Program;
  readonly config: ModelConfig;
  /** New tokens, equally many of every sequence of the cache, sequence by sequence. */
  readonly ids: readonly number[];
  /** How many of its tokens each sequence reads, the first ones; the rest is padding. All by default. */
  readonly counts?: readonly number[];
  readonly cache: LayerCache;
  /** Blocks that the program computes. */
  readonly layers: number;
  /** Inputs beside tokens, positions and cache. */
  readonly extra: Readonly<Record<string, Tensor | Resident>>;
}

/** Reads `ids` on top of the cache: the new rows are appended to it, the other outputs come back. */
export async function runStep({
  program,
  config,
  ids,
  cache,
  counts,
  layers,
  extra,
}: StepCall): Promise<Readonly<Record<string, Tensor>>> {
  const { base } = cache;
  if (base !== undefined && !program.inputs.includes("layers.0.base.keys")) {
    throw new KvDistillError("bad-argument", "the graph does not read heads with different numbers of rows", {
      where: "ragged",
    });
  }
  const tokens = ids.length / cache.sequences;
  const places = cache.places.map(({ length, position }, place) => ({
    used: length,
    position,
    count: counts === undefined ? tokens : (counts[place] ?? 0),
  }));
  await cache.reserve(Math.max(...places.map(({ used, count }) => used + count)));
  // Padding stands where there is always a position.
  const positions = places.flatMap(({ position, count }) =>
    Array.from({ length: tokens }, (_, i) => (i < count ? position + i : 0)),
  );
  const rows = ids.map((_, i) => i);
  const feeds: Record<string, Tensor | Resident> = {
    ids: ints([ids.length], ids),
    positions: ints([ids.length], positions),
    ...(program.inputs.includes("bias") ? { bias: readingBias(places, tokens, cache.capacity) } : {}),
    ...(program.inputs.includes("last") ? readingReach(places, tokens) : {}),
    rotaryRows: ints([cache.sequences, tokens], rows),
    ...(config.positions === "rotary" ? rotaryTables(config, positions) : {}),
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
  await cache.append(
    own,
    places.map(({ count }) => count),
  );
  return outputs;
}
