import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { halfToNumber } from "../../src/formats/float16.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Array64 } from "../../src/graph/interpreter/array.ts";
import { type ExternalData, writeOnnx } from "../../src/graph/onnx/writer.ts";
import type { DType } from "../../src/tensor/tensor.ts";
import type { Feeds } from "./feeds.ts";

export interface StoredWeights {
  readonly folder: string;
  readonly files: ReadonlyMap<string, ExternalData>;
}

/** Runs a graph on ONNX Runtime's CPU provider, all optimisations on. */
export async function runOnnxRuntime(
  graph: Graph,
  feeds: Feeds,
  stored?: StoredWeights,
): Promise<Record<string, Array64>> {
  const session = await InferenceSession.create(writeOnnx(graph, stored?.files), {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
    ...(stored === undefined
      ? {}
      : { extra: { session: { model_external_initializers_file_folder_path: stored.folder } } }),
  });
  try {
    const fed = [...graph.inputs, ...graph.weights]
      .filter((leaf) => session.inputNames.includes(leaf.attributes.name))
      .map((leaf) => [leaf.attributes.name, toTensor(leaf.dtype, feeds[leaf.attributes.name])] as const);
    const results = await session.run(Object.fromEntries(fed));
    const outputs = Object.keys(graph.outputs).map((name) => [name, toArray64(results[name])] as const);
    return Object.fromEntries(outputs);
  } finally {
    await session.release();
  }
}

function toTensor(dtype: DType, value: Array64 | undefined): OrtTensor {
  if (value === undefined) throw new Error("an input is not fed");
  if (dtype === "int64") return new OrtTensor("int64", BigInt64Array.from(value.data, BigInt), value.dims);
  if (dtype === "int32") return new OrtTensor("int32", Int32Array.from(value.data), value.dims);
  if (dtype === "bool") return new OrtTensor("bool", Uint8Array.from(value.data), value.dims);
  if (dtype === "int8") return new OrtTensor("int8", Int8Array.from(value.data), value.dims);
  if (dtype === "uint8") return new OrtTensor("uint8", Uint8Array.from(value.data), value.dims);
  return new OrtTensor("float32", Float32Array.from(value.data), value.dims);
}

function toArray64(tensor: OrtTensor | undefined): Array64 {
  if (tensor === undefined) throw new Error("an output is missing");
  const data = tensor.data as ArrayLike<number | bigint>;
  const toNumber = tensor.type === "float16" ? (bits: number | bigint): number => halfToNumber(Number(bits)) : Number;
  return { dims: tensor.dims, data: Float64Array.from(data, toNumber) };
}
