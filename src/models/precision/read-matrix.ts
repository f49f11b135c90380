import { readTensor } from "../../runtime/read-tensor.ts";
import { asDType } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { ModelFiles } from "../model-files.ts";
import type { MatrixSpec } from "./products.ts";

/**
 * A matrix [rows, columns], whichever way round the checkpoint has it.
 * @throws KvDistillError as `readWeight`
 */
export async function readMatrix(
  files: ModelFiles,
  { name, rows, columns, transposed }: MatrixSpec,
): Promise<Float32Array> {
  const stored = await readWeight(files, name);
  if (!transposed) return stored;
  const matrix = new Float32Array(stored.length);
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) matrix[row * columns + column] = stored[column * rows + row] ?? 0;
  }
  return matrix;
}

/**
 * A weight's numbers as the checkpoint has them.
 * @throws KvDistillError `unsupported` for a model that is not in files; as `readTensor`
 */
export async function readWeight(files: ModelFiles, name: string): Promise<Float32Array<ArrayBuffer>> {
  const place = files.weights.get(name);
  if (place === undefined) {
    throw new KvDistillError("unsupported", "only models that lie in files are quantised", { where: name });
  }
  const { file, offset, dims } = place;
  return asDType(await readTensor({ path: file, offset, dtype: "float32", dims }), "float32").data;
}
