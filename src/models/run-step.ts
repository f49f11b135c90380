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
  /** New tokens, sequence by sequence. */
  readonly ids: readonly number[];
  /** How many of them each sequence of the cache reads; equally many by default. */
  readonly counts?: readonly number[];
  readonly cache: LayerCache;
  /** Blocks that the program computes. */
  readonly layers: number;
  /** Those of `ids` whose logits are wanted. */
  readonly logitRows?: readonly number[];
  /** Inputs beside tokens, positions and cache. */
  readonly extra: Readonly<Record<string, Tensor | Resident>>;
}

/** Reads `ids` on top of the cache: the new rows are appended to it, the other outputs come back. */
export async function runStep({
  program,
  config,
  ids,
  cache,
  counts = new Array<number>(cache.sequences).fill(ids.length / cache.sequences),
  layers,
  logitRows = [],
  extra,
}: StepCall): Promise<Readonly<Record<string, Tensor>>> {
  const { base } = cache;
  if (base !== undefined && !program.inputs.includes("layers.0.base.keys")) {
    throw new KvDistillError("bad-argument", "the graph does not read heads with different numbers of rows", {
      where: "base",
    });
  }
  const tokens = Math.max(...counts);
  const reading = cache.places.map(({ length, position }, place) => ({
    used: length,
    position,
    count: counts[place] ?? 0,
  }));
  await cache.reserve(Math.max(...reading.map(({ used, count }) => used + count)));
  // Where each token stands when every sequence reads as many as the one that reads most.
  const places = reading.flatMap(({ count }, place) => Array.from({ length: count }, (_, i) => place * tokens + i));
  const positions = reading.flatMap(({ position, count }) => Array.from({ length: count }, (_, i) => position + i));
  const shared = base?.shape.shared === true;
  const padded = (values: readonly number[]): number[] => {
    if (shared) return [...values];
    const all = new Array<number>(cache.sequences * tokens).fill(0);
    places.forEach((place, i) => (all[place] = values[i] ?? 0));
    return all;
  };
  // Padding stands where there is always a position.
  const own = { ids: padded(ids), positions: padded(positions) };
  const feeds: Record<string, Tensor | Resident> = {
    ids: ints([own.ids.length], own.ids),
    positions: ints([own.positions.length], own.positions),
    ...(program.inputs.includes("bias") ? { bias: readingBias(reading, tokens, cache.capacity) } : {}),
    ...(program.inputs.includes("last") ? readingReach(reading, tokens) : {}),
    ...(shared
      ? sharedPlaces(places, [base.caches, cache.sequences / base.caches, tokens])
      : {
          rotaryRows: ints([cache.sequences, tokens], [...own.ids.keys()]),
        }),
    ...(config.positions === "rotary" ? rotaryTables(config, own.positions) : {}),
    logitRows: ints(
      [logitRows.length],
      logitRows.map((row) => (shared ? row : (places[row] ?? 0))),
    ),
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
  const rows = Array.from({ length: layers }, (_, i) => ({
    keys: residentOf(residents, `layers.${i}.keys`),
    values: residentOf(residents, `layers.${i}.values`),
  }));
  await cache.append(rows, counts);
  return outputs;
}

/** Where tokens without padding stand. @param dims caches, sequences of each, tokens that one reads at most */
function sharedPlaces(places: readonly number[], dims: readonly number[]): Record<string, Tensor> {
  const rotaryRows = new Array<number>(dims.reduce((product, dim) => product * dim, 1)).fill(0);
  places.forEach((place, i) => (rotaryRows[place] = i));
  return { places: ints([places.length], places), rotaryRows: ints([...dims], rotaryRows) };
}
