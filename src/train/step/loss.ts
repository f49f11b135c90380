import { pickFeeds } from "../../runtime/feeding.ts";
import { asDType, type Tensor, tensor } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { TrainingBatch } from "../batch.ts";
import type { StepEngine } from "./engine.ts";

/** Answer tokens per engine call: bounds the logits, vocabulary · slice numbers each. */
const SLICE = 64;

export interface LossResult {
  readonly loss: number;
  /** Weighted by the batch's answer weights. */
  readonly forwardKl: number;
  readonly reverseKl: number;
  /** By the student's last residual stream, [B · R, hidden]. */
  readonly gradient: Tensor<"float32">;
}

/** @throws KvDistillError `not-finite` when the loss is NaN or infinite */
export async function lossAndGradient(
  { config, programs, weights }: StepEngine,
  batch: TrainingBatch,
  teacher: Tensor<"float32">,
  student: Tensor<"float32">,
): Promise<LossResult> {
  const width = config.hiddenSize;
  const gradient = new Float32Array(student.data.length);
  const total = { loss: 0, forwardKl: 0, reverseKl: 0 };
  for (let start = 0; start < batch.answerRows.length; start += SLICE) {
    const rows = batch.answerRows.slice(start, start + SLICE);
    const rowWeights = Float32Array.from(batch.answerWeights.slice(start, start + SLICE));
    const take = (from: Tensor<"float32">): Tensor<"float32"> => {
      const data = new Float32Array(rows.length * width);
      rows.forEach((row, i) => {
        data.set(from.data.subarray(row * width, (row + 1) * width), i * width);
      });
      return tensor("float32", [rows.length, width], data);
    };
    const feeds = {
      teacher: take(teacher),
      student: take(student),
      weight: tensor("float32", [rows.length], rowWeights),
    };
    const outputs = await programs.loss.run(pickFeeds(programs.loss, weights.shared, feeds));
    const of = (name: string): Float32Array => asDType(outputs[name] ?? feeds.weight, "float32", name).data;
    rows.forEach((row, i) => {
      gradient.set(of("d.student").subarray(i * width, (i + 1) * width), row * width);
    });
    total.loss += of("loss")[0] ?? NaN;
    total.forwardKl += weightedSum(of("forwardKl"), rowWeights);
    total.reverseKl += weightedSum(of("reverseKl"), rowWeights);
  }
  if (!Number.isFinite(total.loss)) {
    throw new KvDistillError("not-finite", "the loss is not a number", {
      got: String(total.loss),
      hint: "lower the learning rate",
    });
  }
  return { ...total, gradient: tensor("float32", student.dims, gradient) };
}

function weightedSum(values: Float32Array, weights: Float32Array): number {
  return values.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0);
}
