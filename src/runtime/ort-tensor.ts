import type { Tensor as OrtTensor } from "onnxruntime-node";
import { tensorOverBytes } from "../tensor/bytes.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { isDType } from "./signature.ts";

/** The same memory as a build of ONNX Runtime takes it. */
export function toOrt(Ort: typeof OrtTensor, value: Tensor): OrtTensor {
  return new Ort(value.dtype, value.data, value.dims);
}

/** An output of ONNX Runtime, without a copy. The binding gives each output a buffer of its own, just as long as needed. */
export function fromOrt(value: OrtTensor): Tensor {
  const { type, dims, data } = value;
  if (!isDType(type) || !ArrayBuffer.isView(data) || !(data.buffer instanceof ArrayBuffer)) {
    throw new Error(`an output of element type ${type} cannot be handed out`);
  }
  return tensorOverBytes(type, dims, data.buffer);
}
