import { input, matMul } from "../../graph/build.ts";
import { defineGraph } from "../../graph/graph.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { WorkRequest } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** What the machine's float32 matrix product gives through ONNX Runtime: the peak that a profile is compared with. */
export async function gemm(
  model: LanguageModel,
  { size, times }: Extract<WorkRequest, { readonly work: "gemm" }>,
  measure: Measure,
): Promise<Done> {
  const operand = (name: string) => input(name, "float32", [size, size]);
  const program = await model.compile(`bench.gemm.${size}`, () =>
    defineGraph("bench.gemm", { y: matMul(operand("a"), operand("b")) }),
  );
  const values = Float32Array.from({ length: size * size }, (_, i) => (i % 17) / 17 - 0.5);
  const residents = {
    a: await model.runtime.upload(tensor("float32", [size, size], values)),
    b: await model.runtime.upload(tensor("float32", [size, size], values)),
  };
  try {
    const { seconds } = await measure(async () => {
      for (let i = 0; i < times; i++) {
        const { residents: made } = await program.runKeeping(residents, ["y"]);
        for (const one of Object.values(made)) one.release();
      }
    });
    return { seconds, tokens: 0, check: { flops: (2 * size ** 3 * times) / seconds } };
  } finally {
    residents.a.release();
    residents.b.release();
  }
}
