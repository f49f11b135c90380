import { KvDistillError } from "../../util/errors.ts";
import { brainToFloat, halfToFloat } from "../float16.ts";
import type { BlockDecoder } from "./block-decoder.ts";
import { decodeQ4_K, decodeQ5_K, decodeQ6_K } from "./decode-blocks-of-256.ts";
import { decodeQ4_0, decodeQ4_1, decodeQ5_0, decodeQ5_1, decodeQ8_0 } from "./decode-blocks-of-32.ts";
import { GGML_TYPES, type GgmlType } from "./ggml-types.ts";

const DECODERS: Readonly<Partial<Record<GgmlType, BlockDecoder>>> = {
  Q4_0: decodeQ4_0,
  Q4_1: decodeQ4_1,
  Q5_0: decodeQ5_0,
  Q5_1: decodeQ5_1,
  Q8_0: decodeQ8_0,
  Q4_K: decodeQ4_K,
  Q5_K: decodeQ5_K,
  Q6_K: decodeQ6_K,
};

/**
 * A tensor's bytes as float32, equal bit for bit to what ggml's reference decoders give.
 * @param bytes a whole number of blocks
 * @throws KvDistillError `unsupported` for other types, `shape-mismatch` for a part of a block.
 */
export function dequantize(type: GgmlType, bytes: Uint8Array, where: string): Float32Array<ArrayBuffer> {
  const { blockElements, blockBytes } = GGML_TYPES[type];
  if (bytes.length % blockBytes !== 0) {
    throw new KvDistillError("shape-mismatch", "not a whole number of blocks", {
      where,
      expected: `a multiple of ${blockBytes.toString()} bytes for ${type}`,
      got: bytes.length.toString(),
    });
  }
  if (type === "F32") return new Float32Array(aligned(bytes));
  if (type === "F16") return halfToFloat(new Uint16Array(aligned(bytes)));
  if (type === "BF16") return brainToFloat(new Uint16Array(aligned(bytes)));
  const decode = DECODERS[type];
  if (decode === undefined) {
    throw new KvDistillError("unsupported", "element type not handled", {
      where,
      expected: `F32, F16, BF16, ${Object.keys(DECODERS).join(", ")}`,
      got: type,
      hint: "convert the model to one of these types, for example with llama-quantize",
    });
  }
  const blocks = bytes.length / blockBytes;
  const out = new Float32Array(blocks * blockElements);
  for (let block = 0; block < blocks; block++) decode(bytes, block * blockBytes, out, block * blockElements);
  return out;
}

/** A copy that starts at byte 0 of its own buffer, so that any element type can view it. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
