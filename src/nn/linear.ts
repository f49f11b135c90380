import { gemm, weight } from "../graph/build.ts";
import type { Node } from "../graph/node.ts";

/** A frozen linear map of the checkpoint. */
export interface LinearSpec {
  /** Checkpoint name without ".weight" / ".bias". */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  /** How the checkpoint stores the matrix: [out, in] (PyTorch Linear, the default) or [in, out] (GPT-2's Conv1D). */
  readonly layout?: "out-in" | "in-out";
}

/** x [tokens, in] -> [tokens, out]. */
export function linear(x: Node, { name, inputs, outputs, bias, layout = "out-in" }: LinearSpec): Node {
  const transB = layout === "out-in";
  const matrix = weight(`${name}.weight`, transB ? [outputs, inputs] : [inputs, outputs]);
  return gemm(x, matrix, { transB, ...(bias ? { addend: weight(`${name}.bias`, [outputs]) } : {}) });
}
