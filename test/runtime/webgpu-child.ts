// Runs operators that inference needs on WebGPU and on the CPU, asks WebGPU for more memory than it has, and prints as JSON the largest
// difference of each operator and the codes of the errors.
import { InferenceSession } from "onnxruntime-node";
import { isKvDistillError } from "../../src/util/errors.ts";
import { createRuntime, type Device, type Feeds, type Program, type Runtime } from "../../src/runtime/runtime.ts";
import { asDType, floats, ints, type Tensor } from "../../src/tensor/tensor.ts";
import { onesSummed } from "./models.ts";
import { onnxModel, type ModelSpec } from "./onnx-model.ts";

function wave(dims: readonly number[]): Tensor<"float32"> {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return floats(
    dims,
    Array.from({ length: count }, (_, i) => Math.sin(i + 1)),
  );
}

const float = (...dims: number[]) => ({ dtype: "float32", dims }) as const;
const int = (...dims: number[]) => ({ dtype: "int64", dims }) as const;

/** Positions with gaps, as a compressed cache has them. */
const positions = ints([1, 4], [0, 3, 4, 17]);

const cases: Readonly<Record<string, { readonly model: ModelSpec; readonly feeds: Feeds }>> = {
  MatMul: {
    model: {
      inputs: { a: float(2, 5, 7), b: float(7, 3) },
      outputs: { y: float(2, 5, 3) },
      nodes: [{ op: "MatMul", in: ["a", "b"], out: ["y"] }],
    },
    feeds: { a: wave([2, 5, 7]), b: wave([7, 3]) },
  },
  Softmax: {
    model: {
      inputs: { x: float(4, 9) },
      outputs: { y: float(4, 9) },
      nodes: [{ op: "Softmax", in: ["x"], out: ["y"] }],
    },
    feeds: { x: wave([4, 9]) },
  },
  Gather: {
    model: {
      inputs: { table: float(6, 4), ids: int(5) },
      outputs: { y: float(5, 4) },
      nodes: [{ op: "Gather", in: ["table", "ids"], out: ["y"] }],
    },
    feeds: { table: wave([6, 4]), ids: ints([5], [5, 0, 3, 3, 1]) },
  },
  RotaryEmbedding: {
    model: {
      inputs: { x: float(1, 2, 4, 8), positions: int(1, 4), cos: float(32, 4), sin: float(32, 4) },
      outputs: { y: float(1, 2, 4, 8) },
      nodes: [{ op: "RotaryEmbedding", domain: "com.microsoft", in: ["x", "positions", "cos", "sin"], out: ["y"] }],
    },
    feeds: { x: wave([1, 2, 4, 8]), positions, cos: wave([32, 4]), sin: wave([32, 4]) },
  },
};

/** Fails unless WebGPU has the operators: no node may be left to the CPU. */
for (const { model } of Object.values(cases)) {
  const options = { executionProviders: ["webgpu"], extra: { session: { disable_cpu_ep_fallback: "1" } } };
  await (await InferenceSession.create(onnxModel(model), options)).release();
}

async function outputOf(program: Program, feeds: Feeds, download: Runtime["download"]): Promise<Tensor<"float32">> {
  const { y } = (await program.runKeeping(feeds, ["y"])).residents;
  if (y === undefined) throw new Error("the program has no output y");
  return asDType(await download(y), "float32");
}

async function outputsOn(device: Device): Promise<readonly Tensor<"float32">[]> {
  const runtime = await createRuntime({ device });
  const outputs: Tensor<"float32">[] = [];
  for (const [name, { model, feeds }] of Object.entries(cases)) {
    const program = await runtime.load({ bytes: onnxModel(model), name });
    outputs.push(await outputOf(program, feeds, (resident) => runtime.download(resident)));
  }
  await runtime.close();
  return outputs;
}

const cpu = await outputsOn("cpu");
const webgpu = await outputsOn("webgpu");
const differences = Object.keys(cases).map((name, i) => {
  const got = webgpu[i]?.data;
  const errors = Array.from(cpu[i]?.data ?? [], (value, at) => Math.abs(value - (got?.[at] ?? NaN)));
  return [name, Math.max(...errors)] as const;
});

const runtime = await createRuntime({ device: "webgpu" });
const program = await runtime.load({ bytes: onesSummed });
const sumOf = async (size: number): Promise<number> => {
  const { sum } = await program.run({ one: floats([1], [1]), size: ints([1], [size]) });
  return Number(sum?.data[0]);
};
// Above the largest buffer twice, because the first time another step complains than later, and above 2^32 elements.
const tooLarge: string[] = [];
for (const size of [3e8, 2 ** 46, 2.5e9]) {
  try {
    tooLarge.push(`a sum of ${await sumOf(size)}`);
  } catch (error) {
    if (!isKvDistillError(error)) throw error;
    tooLarge.push(error.code);
  }
}
const afterwards = await sumOf(5);
await runtime.close();
process.stdout.write(JSON.stringify({ differences: Object.fromEntries<number>(differences), tooLarge, afterwards }));
