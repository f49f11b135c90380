import { mul, reduceMax } from "../../graph/build.ts";
import { defineGraph } from "../../graph/graph.ts";
import type { Node } from "../../graph/node.ts";
import { writeOnnx } from "../../graph/onnx/writer.ts";
import type { Runtime } from "../../runtime/runtime-over.ts";
import { asDType } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import { contextLimit } from "../config.ts";
import { externalWeights } from "../external-weights.ts";
import { LayerCache } from "../layer-cache.ts";
import type { ModelFiles } from "../model-files.ts";
import { runStep } from "../run-step.ts";
import { stepGraph } from "../step-graph.ts";
import { keptInputs } from "./eight-bit.ts";
import { matrixOf } from "./products.ts";

const TOKENS = 256;

/**
 * The inputs of every product that are largest, in rising order, by the matrix's name: which columns of a matrix stay float32. Largest while the model reads
 * tokens drawn from its vocabulary: a text of any kind finds nearly the same ones, and the weights alone do not tell them (experiments, E16).
 * @throws KvDistillError as a runtime's programs do
 */
export async function largestInputs(files: ModelFiles, runtime: Runtime): Promise<ReadonlyMap<string, number[]>> {
  const { config } = files;
  // All blocks: without a result the last one ends at its keys and values.
  const graph = stepGraph(config, { result: "hidden" });
  const inputs = new Map<Node, { readonly names: string[]; readonly columns: number }>();
  for (const node of graph.nodes) {
    const spec = matrixOf(node);
    const [x] = node.inputs;
    if (spec === undefined || x === undefined) continue;
    const known = inputs.get(x) ?? { names: [], columns: spec.columns };
    known.names.push(spec.name);
    inputs.set(x, known);
  }
  const outputs: Record<string, Node> = { ...graph.outputs };
  for (const [x, { names }] of inputs) outputs[largestOf(names)] = reduceMax(mul(x, x), [0]);
  const measured = await run(files, runtime, outputs);
  const found = new Map<string, number[]>();
  for (const { names, columns } of inputs.values()) {
    const squares = measured(largestOf(names));
    const falling = [...squares.keys()].sort((a, b) => (squares[b] ?? 0) - (squares[a] ?? 0));
    const largest = falling.slice(0, keptInputs(columns)).sort((a, b) => a - b);
    for (const name of names) found.set(name, largest);
  }
  return found;
}

/** The output with the largest square of every input of these products. */
const largestOf = (names: readonly string[]): string => `${names[0] ?? ""}.largest`;

/** One read of random tokens. */
async function run(
  files: ModelFiles,
  runtime: Runtime,
  outputs: Readonly<Record<string, Node>>,
): Promise<(name: string) => Float32Array> {
  const { config } = files;
  const { weights, where } = externalWeights(files);
  const graph = defineGraph("calibrate", outputs);
  const program = await runtime.load({ name: graph.name, bytes: writeOnnx(graph, weights), ...where });
  const cache = await LayerCache.empty(runtime, config);
  try {
    const random = randomFromSeed(0);
    const length = Math.min(TOKENS, contextLimit(config));
    const ids = Array.from({ length }, () => Math.floor(random.uniform(0, config.vocabSize)));
    const measured = await runStep({ program, config, ids, cache, layers: config.numLayers, extra: {} });
    return (name) => {
      const value = measured[name];
      if (value === undefined)
        throw new KvDistillError("invalid-graph", "calibration lacks an output", { where: name });
      return asDType(value, "float32").data;
    };
  } finally {
    cache.release();
    await program.close();
  }
}
