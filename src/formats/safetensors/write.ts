import { type AtomicFileOptions, writeFileAtomic } from "../../util/atomic-file.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { encodeSafetensorsHeader, inFileOrder, type TensorDescription, tensorByteLength } from "./encode-header.ts";

/** A tensor whose bytes are made only when they are written. */
export interface TensorSource extends TensorDescription {
  /** Little-endian, row-major; exactly the bytes that shape and element type ask for. */
  readonly bytes: () => Uint8Array | Promise<Uint8Array>;
}

export interface SafetensorsWriteOptions extends AtomicFileOptions {
  readonly metadata?: ReadonlyMap<string, string>;
}

/**
 * Writes a safetensors file, whole or not at all. Tensors are asked for their bytes one after another, in file order,
 * so that a conversion larger than memory can be written.
 * @throws KvDistillError `bad-argument`, `shape-mismatch` (a source gives another number of bytes), `disk`, or what a source throws.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  options: SafetensorsWriteOptions = {},
): Promise<void> {
  const ordered = inFileOrder(tensors);
  const header = encodeSafetensorsHeader(ordered, options.metadata ?? new Map<string, string>());
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield header;
    for (const tensor of ordered) yield await bytesOf(tensor);
  }
  await writeFileAtomic(path, chunks(), options);
}

async function bytesOf(tensor: TensorSource): Promise<Uint8Array> {
  const bytes = await tensor.bytes();
  if (bytes.length !== tensorByteLength(tensor)) {
    throw new KvDistillError("shape-mismatch", "data does not fill the shape", {
      where: `tensor ${quote(tensor.name)}`,
      expected: `${tensorByteLength(tensor).toString()} bytes for ${tensor.dtype} [${tensor.shape.join(", ")}]`,
      got: bytes.length.toString(),
    });
  }
  return bytes;
}
