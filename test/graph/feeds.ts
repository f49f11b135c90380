import { type Bindings, evaluateShape, type Shape } from "../../src/graph/dims.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { array64, type Array64 } from "../../src/graph/interpreter/array.ts";
import { elementCount } from "../../src/tensor/tensor.ts";
import { type Random, randomFromSeed } from "../../src/util/random.ts";

export type Feeds = Readonly<Record<string, Array64>>;

/** Values that float32 holds exactly, so that float64 and float32 engines get the same inputs. */
export function randomArray(shape: Shape, bindings: Bindings, draw: () => number): Array64 {
  const dims = evaluateShape(shape, bindings);
  return array64(
    dims,
    Array.from({ length: elementCount(dims) }, () => Math.fround(draw())),
  );
}

/** Normal values for every float input and weight of a graph that `given` does not name. */
export function randomFeeds(
  graph: Graph,
  symbols: Readonly<Record<string, number>>,
  seed: number,
  given: Feeds = {},
): Feeds {
  const bindings = new Map(Object.entries(symbols));
  const leaves = [...graph.inputs, ...graph.weights].map((leaf) => {
    const { name } = leaf.attributes;
    const random: Random = randomFromSeed(seed, ...Buffer.from(name));
    return [name, given[name] ?? randomArray(leaf.shape, bindings, () => random.normal())] as const;
  });
  return Object.fromEntries(leaves);
}
