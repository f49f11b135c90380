import { constant, input, matMulIntegerToFloat } from "../../graph/build.ts";
import { defineGraph } from "../../graph/graph.ts";
import { apply } from "../../graph/node.ts";
import { writeOnnx } from "../../graph/onnx/writer.ts";
import type { Runtime } from "../../runtime/runtime-over.ts";
import { asDType, floats, tensor } from "../../tensor/tensor.ts";
import type { EightBits } from "./eight-bit.ts";

const [ROWS, INNER, COLUMNS] = [32, 64, 32];

/**
 * The stored type of matrices whose 8-bit products are exact here. AVX2 and AVX-512 without VNNI add pairs of unsigned by signed products in 16
 * bits, which 2 · 255 · 127 passes; unsigned by unsigned is exact everywhere, and slower where both are.
 */
export async function exactEightBits(runtime: Runtime): Promise<EightBits> {
  const zero = (dtype: EightBits) => apply("Constant", [], { dtype, dims: [], values: [0] });
  const y = matMulIntegerToFloat(
    { numbers: input("a", "uint8", [ROWS, INNER]), scale: constant(1), zeroPoint: zero("uint8") },
    {
      numbers: input("b", "int8", [INNER, COLUMNS]),
      scale: input("scales", "float32", [COLUMNS]),
      zeroPoint: zero("int8"),
    },
  );
  const graph = defineGraph("probe.products", { y });
  const program = await runtime.load({ name: graph.name, bytes: writeOnnx(graph) });
  try {
    const outputs = await program.run({
      a: tensor("uint8", [ROWS, INNER], new Uint8Array(ROWS * INNER).fill(255)),
      b: tensor("int8", [INNER, COLUMNS], new Int8Array(INNER * COLUMNS).fill(127)),
      scales: floats([COLUMNS], new Float32Array(COLUMNS).fill(1)),
    });
    const { data } = asDType(outputs.y ?? floats([0], []), "float32");
    return data.length > 0 && data.every((sum) => sum === INNER * 255 * 127) ? "int8" : "uint8";
  } finally {
    await program.close();
  }
}
