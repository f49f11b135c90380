import { pickFeeds, residentOf } from "../../runtime/feeding.ts";
import type { Resident } from "../../runtime/runtime.ts";
import { asDType, type Tensor } from "../../tensor/tensor.ts";
import { readerBias, type TrainingBatch } from "../batch.ts";
import type { StepEngine } from "./engine.ts";
import type { StepInputs } from "./inputs.ts";

export interface TeacherResult {
  /** Residual stream of the contexts after η blocks, [B · S, hidden]: what the scorer sees. */
  readonly hidden: Resident;
  /** Last residual stream of the readers, [B · R, hidden]. */
  readonly reader: Tensor<"float32">;
}

/** The frozen model reads the full contexts, layer by layer, the readers following one layer at a time. */
export async function runTeacher(engine: StepEngine, batch: TrainingBatch, inputs: StepInputs): Promise<TeacherResult> {
  const { runtime, programs, weights, settings } = engine;
  const { encodeFrozen, read } = programs;
  const bias = await runtime.upload(readerBias(batch, batch.contextLengths, batch.contextWidth));
  let [x, reader] = [inputs.contextX, inputs.readerX];
  let hidden = x;
  for (const [layer, layerWeights] of weights.layers.entries()) {
    const context = (
      await encodeFrozen.runKeeping(pickFeeds(encodeFrozen, layerWeights, inputs.context, { x }), encodeFrozen.outputs)
    ).residents;
    const past = { "past.keys": residentOf(context, "keys"), "past.values": residentOf(context, "values") };
    const feeds = pickFeeds(read.forward, layerWeights, inputs.reader, past, { bias, x: reader });
    const next = (await read.forward.runKeeping(feeds, read.forward.outputs)).residents;
    for (const [name, resident] of Object.entries(next)) if (name !== "x.out") resident.release();
    for (const resident of Object.values(past)) resident.release();
    if (reader !== inputs.readerX) reader.release();
    if (x !== inputs.contextX && x !== hidden) x.release();
    x = residentOf(context, "x.out");
    reader = residentOf(next, "x.out");
    if (layer + 1 === settings.eta) hidden = x;
  }
  if (x !== hidden) x.release();
  bias.release();
  const last = asDType(await runtime.download(reader), "float32");
  reader.release();
  return { hidden, reader: last };
}
