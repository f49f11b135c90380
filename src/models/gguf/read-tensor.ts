import type { GgufTensor } from "../../formats/gguf/header.ts";

/** Reads one tensor of a GGUF file as float32, dequantised, row-major in the order of its shape. */
export type ReadGgufTensor = (tensor: GgufTensor) => Promise<Float32Array<ArrayBuffer>>;
