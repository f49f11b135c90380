import { pickFeeds, residentOf } from "../../runtime/feeding.ts";
import type { Resident } from "../../runtime/runtime.ts";
import { asDType, type Tensor, tensor } from "../../tensor/tensor.ts";
import { readerBias, type TrainingBatch } from "../batch.ts";
import type { StepEngine, StepSettings } from "./engine.ts";
import type { StepInputs } from "./inputs.ts";

export interface TeacherResult {
  /** Residual stream of the contexts after η blocks, [B · S, hidden]: what the scorer sees. */
  readonly hidden: Resident;
  /** Last residual stream of the readers, [B · R, hidden]. */
  readonly reader: Tensor<"float32">;
  /** For every layer [B, G, S]: the largest attention that a token receives from the probes; empty unless the scorer learns from it. */
  readonly attention: readonly Float32Array[];
}

/** [B · R]: 1 for reader tokens whose attention the scorer learns from. */
function probesOf({ probing, readerTurns }: TrainingBatch, { scorerProbes }: StepSettings): Float32Array<ArrayBuffer> {
  return scorerProbes === "questions" ? probing : Float32Array.from(readerTurns, (turn) => (turn < 0 ? 0 : 1));
}

/** Residual stream of folded contexts after η blocks, [E · F, hidden]: what the scorer sees of them, as when they are compressed. */
export async function encodedHidden(engine: StepEngine, { encoded }: StepInputs): Promise<Resident> {
  const { encodeFrozen } = engine.programs;
  let { x } = encoded;
  for (const layerWeights of engine.weights.layers.slice(0, engine.settings.eta)) {
    const feeds = pickFeeds(encodeFrozen, layerWeights, encoded.feeds, { x });
    const { residents } = await encodeFrozen.runKeeping(feeds, encodeFrozen.outputs);
    if (x !== encoded.x) x.release();
    for (const name of ["keys", "values"]) residentOf(residents, name).release();
    x = residentOf(residents, "x.out");
  }
  return x;
}

/** The frozen model reads the full contexts, layer by layer, the readers following one layer at a time. */
export async function runTeacher(engine: StepEngine, batch: TrainingBatch, inputs: StepInputs): Promise<TeacherResult> {
  const { runtime, programs, weights, settings } = engine;
  const { encodeFrozen, readTeacher } = programs;
  const bias = await runtime.upload(readerBias(batch, batch.contextLengths, batch.contextWidth));
  const probing = await runtime.upload(tensor("float32", [batch.batch, batch.readerWidth], probesOf(batch, settings)));
  const attention: Float32Array[] = [];
  let [x, reader] = [inputs.contextX, inputs.teacherReader.x];
  let hidden = x;
  for (const [layer, layerWeights] of weights.layers.entries()) {
    const context = (
      await encodeFrozen.runKeeping(pickFeeds(encodeFrozen, layerWeights, inputs.context, { x }), encodeFrozen.outputs)
    ).residents;
    const past = { "past.keys": residentOf(context, "keys"), "past.values": residentOf(context, "values") };
    const feeds = pickFeeds(readTeacher, layerWeights, inputs.teacherReader.feeds, past, { bias, probing, x: reader });
    const next = await readTeacher.runKeeping(feeds, ["x.out"]);
    if (next.outputs.attention !== undefined) attention.push(asDType(next.outputs.attention, "float32").data);
    for (const resident of Object.values(past)) resident.release();
    if (reader !== inputs.teacherReader.x) reader.release();
    if (x !== inputs.contextX && x !== hidden) x.release();
    x = residentOf(context, "x.out");
    reader = residentOf(next.residents, "x.out");
    if (layer + 1 === settings.eta) hidden = x;
  }
  if (x !== hidden) x.release();
  bias.release();
  probing.release();
  const last = asDType(await runtime.download(reader), "float32");
  reader.release();
  return { hidden, reader: last, attention };
}
