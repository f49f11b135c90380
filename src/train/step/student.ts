import { residentOf } from "../../runtime/feeding.ts";
import type { Resident } from "../../runtime/runtime.ts";
import { asDType, type Tensor } from "../../tensor/tensor.ts";
import { readerBias, type TrainingBatch } from "../batch.ts";
import { layerPrefix, type LoadedParameters } from "../parameters.ts";
import type { StepEngine } from "./engine.ts";
import type { StepInputs } from "./inputs.ts";
import type { Selection } from "./selection.ts";
import { Tape } from "./tape.ts";

export interface StudentGradients {
  readonly parameters: ReadonlyMap<string, Tensor<"float32">>;
  /** [B, G, K] for every layer. */
  readonly gates: readonly Float32Array[];
}

/** The adapted encoder and the frozen reader: forward now, backward when the loss's gradient is known. */
export interface StudentRun {
  /** Last residual stream of the readers, [B · R, hidden]. */
  readonly reader: Tensor<"float32">;
  backward(gradient: Tensor<"float32">): Promise<StudentGradients>;
  release(): void;
}

export async function runStudent(
  engine: StepEngine,
  batch: TrainingBatch,
  inputs: StepInputs,
  parameters: LoadedParameters,
  selection: Selection,
): Promise<StudentRun> {
  const { runtime, weights, programs } = engine;
  const held: Resident[] = [];
  const hold = <R extends Resident>(resident: R): R => {
    held.push(resident);
    return resident;
  };
  const encoding = {
    ...inputs.encoded.feeds,
    routed: hold(await runtime.upload(selection.routed)),
    strength: hold(await runtime.upload(selection.strength)),
  };
  const biases = new Map<number, Resident>();
  const kept: {
    readonly rows: Readonly<Record<string, Resident>>;
    readonly hidden: Readonly<Record<string, Resident>>;
  }[] = [];
  for (const { rows, gate, width, padding } of selection.layers) {
    // What heads of a ragged selection lack is hidden head by head.
    const live = padding === undefined ? selection.counts : selection.counts.map(() => width);
    const bias = biases.get(width) ?? hold(await runtime.upload(readerBias(batch, live, width)));
    biases.set(width, bias);
    kept.push({
      rows: { kept: hold(await runtime.upload(rows)), gate: hold(await runtime.upload(gate)) },
      hidden: { bias, ...(padding === undefined ? {} : { padding: hold(await runtime.upload(padding)) }) },
    });
  }
  const [encoder, readers] = [new Tape(), new Tape()];
  const last = weights.layers.length - 1;
  let [x, reader] = [inputs.encoded.x, inputs.studentReader.x];
  for (const [layer, layerWeights] of weights.layers.entries()) {
    const own = kept[layer] ?? kept[0];
    const program = layer === last ? programs.encodeAdaptedLast : programs.encodeAdapted;
    const outputs = layer === last ? ["kept.keys", "kept.values"] : ["x.out", "kept.keys", "kept.values"];
    const encoded = await encoder.forward(
      program,
      { ...encoding, ...own?.rows, ...layerWeights, ...parameters.layer(layer), x },
      outputs,
    );
    const past = {
      "past.keys": hold(residentOf(encoded, "kept.keys")),
      "past.values": hold(residentOf(encoded, "kept.values")),
    };
    const read = await readers.forward(
      programs.read,
      { ...inputs.studentReader.feeds, ...layerWeights, ...past, ...own?.hidden, x: reader },
      ["x.out"],
    );
    if (layer < last) x = hold(residentOf(encoded, "x.out"));
    reader = hold(residentOf(read, "x.out"));
  }

  const backward = async (gradient: Tensor<"float32">): Promise<StudentGradients> => {
    const gates: Float32Array[] = [];
    const found = new Map<string, Tensor<"float32">>();
    let dReader = await runtime.upload(gradient);
    let dx: Resident | undefined;
    // Reader and encoder walk down together: a layer's cache gradient is used as soon as it is known.
    for (let layer = last; layer >= 0; layer--) {
      const fromReader = await readers.backward({ "d.x.out": dReader }, ["d.x", "d.past.keys", "d.past.values"]);
      const seeds = {
        "d.kept.keys": residentOf(fromReader.residents, "d.past.keys"),
        "d.kept.values": residentOf(fromReader.residents, "d.past.values"),
        ...(dx === undefined ? {} : { "d.x.out": dx }),
      };
      const fromEncoder = await encoder.backward(seeds, ["d.x"]);
      for (const resident of [dReader, ...Object.values(seeds)]) resident.release();
      dReader = residentOf(fromReader.residents, "d.x");
      dx = residentOf(fromEncoder.residents, "d.x");
      for (const [name, value] of Object.entries(fromEncoder.outputs)) {
        const values = asDType(value, "float32");
        if (name === "d.gate") gates[layer] = values.data;
        else found.set(layerPrefix(layer) + name.slice("d.".length), values);
      }
    }
    dReader.release();
    dx?.release();
    return { parameters: found, gates };
  };
  const release = (): void => {
    encoder.release();
    readers.release();
    for (const resident of held) resident.release();
  };
  return { reader: asDType(await runtime.download(reader), "float32"), backward, release };
}
