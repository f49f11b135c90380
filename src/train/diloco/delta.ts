import { floatToHalf, halfToFloat } from "../../formats/float16.ts";
import { floatTensor } from "../../formats/safetensors/float-tensor.ts";
import type { SafetensorsFile } from "../../formats/safetensors/open.ts";
import { readTensorFloats, readTensorIntegers } from "../../formats/safetensors/read.ts";
import type { TensorSource } from "../../formats/safetensors/write.ts";
import { tensor, type Tensor } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { quote } from "../../util/quote.ts";
import type { DeltaFormat } from "../config.ts";
import type { Parameters } from "../parameters.ts";

/** How far a part has moved the parameters, in the element type in which that is sent. */
export interface EncodedDelta {
  readonly tensors: readonly TensorSource[];
  /** What rounding took away: it is added to the part's next delta, so that nothing is lost for good. Empty for float32. */
  readonly lost: Parameters;
}

const SCALE = ".scale";
const LARGEST = 127;

/**
 * Rounds a delta. `int8` has one scale for each tensor: its largest value becomes ±127.
 * @throws KvDistillError `not-finite` when a value is beyond float16, as the tensor's bytes are asked for
 */
export function encodeDelta(delta: Parameters, format: DeltaFormat): EncodedDelta {
  const tensors: TensorSource[] = [];
  const lost = new Map<string, Tensor<"float32">>();
  for (const [name, { dims, data }] of delta) {
    if (format === "float32") {
      tensors.push(floatTensor(name, dims, data));
      continue;
    }
    let sent: Float32Array;
    if (format === "float16") {
      tensors.push(floatTensor(name, dims, data, "F16"));
      sent = halfToFloat(floatToHalf(data));
    } else {
      const { scale, steps } = toSteps(data);
      tensors.push({ name, dtype: "I8", shape: dims, bytes: () => new Uint8Array(steps.buffer) });
      tensors.push(floatTensor(name + SCALE, [1], Float32Array.of(scale)));
      sent = fromSteps(steps, scale);
    }
    lost.set(
      name,
      tensor(
        "float32",
        dims,
        data.map((value, i) => value - (sent[i] ?? 0)),
      ),
    );
  }
  return { tensors, lost };
}

/**
 * Reads what `encodeDelta` wrote.
 * @param like the parameters, whose names and shapes it must have
 * @throws KvDistillError `bad-file`, `unsupported`, `disk`
 */
export async function readDelta(file: SafetensorsFile, like: Parameters, format: DeltaFormat): Promise<Parameters> {
  const { entries, path } = file;
  const found = new Map<string, Tensor<"float32">>();
  const faults: string[] = [];
  for (const [name, { dims }] of like) {
    const [entry, scaleEntry] = [entries.get(name), entries.get(name + SCALE)];
    if (entry?.shape.join() !== dims.join()) {
      faults.push(`${quote(name)}: expected [${dims.join(", ")}], got ${entry?.shape.join(", ") ?? "nothing"}`);
      continue;
    }
    if (format !== "int8") {
      found.set(name, tensor("float32", dims, await readTensorFloats(entry)));
      continue;
    }
    const [scale] = scaleEntry === undefined ? [] : await readTensorFloats(scaleEntry);
    const steps = await readTensorIntegers(entry);
    if (scale === undefined || !(steps instanceof Int8Array)) faults.push(`${quote(name)}: no int8 with a scale`);
    else found.set(name, tensor("float32", dims, fromSteps(steps, scale)));
  }
  const wanted = like.size * (format === "int8" ? 2 : 1);
  if (faults.length === 0 && entries.size !== wanted) faults.push(`${entries.size} tensors instead of ${wanted}`);
  if (faults.length === 0) return found;
  throw new KvDistillError("bad-file", "not a change of these parameters", { where: path, faults: faultList(faults) });
}

function toSteps(data: Float32Array): { readonly scale: number; readonly steps: Int8Array<ArrayBuffer> } {
  let largest = 0;
  for (const value of data) largest = Math.max(largest, Math.abs(value));
  const scale = Math.fround(largest / LARGEST);
  const steps = new Int8Array(data.length);
  // A scale that is too small for float32 sends nothing; all of it is kept for the next time.
  if (scale === 0) return { scale, steps };
  for (const [i, value] of data.entries()) {
    steps[i] = Math.max(-LARGEST, Math.min(LARGEST, Math.round(value / scale)));
  }
  return { scale, steps };
}

function fromSteps(steps: Int8Array, scale: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(steps, (step) => step * scale);
}
