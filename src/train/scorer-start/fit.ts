import type { ScorerShape } from "../../compress/scorer.ts";
import { writeOnnx } from "../../graph/onnx/writer.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { asDType, type Tensor, tensor } from "../../tensor/tensor.ts";
import { randomFromSeed } from "../../util/random.ts";
import { adamW, zeroMoments } from "../adamw.ts";
import { scorerFitGraph } from "../graphs/scorer-fit.ts";
import { type Parameters, SCORER_PREFIX } from "../parameters.ts";
import { scheduleAt } from "../schedule.ts";
import type { ScorerSample } from "./targets.ts";

export interface FitOptions {
  readonly shape: ScorerShape;
  readonly epochs: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly onEpoch?: (epoch: number, loss: number) => void;
}

/** Contexts of one step: about 2,000 tokens. */
const BATCH = 8;
const WARMUP = 10;
const ADAM = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0 };

/**
 * Fits the scorer's parameters to targets by least squares, in place.
 * @returns mean squared distance in the last epoch
 */
export async function fitScorer(
  runtime: Runtime,
  parameters: Parameters,
  samples: readonly ScorerSample[],
  { shape, epochs, learningRate, seed, onEpoch = () => undefined }: FitOptions,
): Promise<number> {
  const own = new Map([...parameters].filter(([name]) => name.startsWith(SCORER_PREFIX)));
  const moments = zeroMoments(own);
  const program = await runtime.load({ name: "scorer.fit", bytes: writeOnnx(scorerFitGraph(shape)) });
  const random = randomFromSeed(seed, 1);
  const steps = epochs * Math.ceil(samples.length / BATCH);
  let step = 0;
  let mean = NaN;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = random.shuffle([...samples]);
    let total = 0;
    for (let start = 0; start < order.length; start += BATCH) {
      const batch = order.slice(start, start + BATCH);
      const feeds: Record<string, Tensor> = {
        hidden: rows(
          batch.map(({ hidden }) => hidden),
          shape.hiddenSize,
        ),
        targets: rows(
          batch.map(({ targets }) => targets),
          shape.columns,
        ),
      };
      for (const [name, value] of own) feeds[name.slice(SCORER_PREFIX.length)] = value;
      const outputs = await program.run(feeds);
      const gradients = new Map<string, Tensor<"float32">>();
      for (const [name, value] of Object.entries(outputs)) {
        if (name.startsWith("d.")) gradients.set(SCORER_PREFIX + name.slice(2), asDType(value, "float32"));
        else total += (asDType(value, "float32").data[0] ?? NaN) * batch.length;
      }
      const rate = learningRate * scheduleAt(step, { steps, warmupSteps: WARMUP, floor: 0 });
      step++;
      adamW(own, moments, gradients, step, () => rate, ADAM);
    }
    mean = total / samples.length;
    onEpoch(epoch, mean);
  }
  return mean;
}

/** Rows of several arrays, one after the other. */
function rows(parts: readonly Float32Array[], width: number): Tensor<"float32"> {
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    data.set(part, offset);
    offset += part.length;
  }
  return tensor("float32", [data.length / width, width], data);
}
