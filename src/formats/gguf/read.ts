import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { readRange } from "../../util/read-range.ts";
import { withFile } from "../../util/with-file.ts";
import { dequantize } from "./dequantize.ts";
import type { GgufFile, GgufTensor } from "./header.ts";

/**
 * The tensor of a name.
 * @throws KvDistillError `not-found`.
 */
export function findGgufTensor(file: GgufFile, name: string): GgufTensor {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) {
    throw new KvDistillError("not-found", "no such tensor", { where: file.path, got: quote(name) });
  }
  return tensor;
}

/**
 * One tensor, dequantised to float32, row-major in the order of its `shape`.
 * @throws KvDistillError `unsupported`, `not-found`, `disk`, `bad-file` (the file has changed), `out-of-memory`.
 */
export async function readGgufFloats(tensor: GgufTensor): Promise<Float32Array<ArrayBuffer>> {
  const where = `${tensor.file}: tensor ${quote(tensor.name)}`;
  const bytes = await withFile(tensor.file, (file) => readRange(file, tensor.offset, tensor.byteLength, where));
  return dequantize(tensor.type, bytes, where);
}
