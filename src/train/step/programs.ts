import type { Graph } from "../../graph/graph.ts";
import type { ScorerShape } from "../../compress/scorer.ts";
import type { SplitGraphs } from "../../graph/gradient/split.ts";
import { writeOnnx } from "../../graph/onnx/writer.ts";
import type { AdapterShape } from "../../models/adapter-inputs.ts";
import type { ModelConfig } from "../../models/config.ts";
import { hasFusedAttention } from "../../models/fused-attention.ts";
import type { Program, Runtime } from "../../runtime/runtime.ts";
import { embedGraph, encodeAdaptedGraphs, encodeFrozenGraph, readGraphs, readTeacherGraph } from "../graphs/layers.ts";
import { lossGraph } from "../graphs/loss.ts";
import { scorerGraphs } from "../graphs/scorer.ts";
import type { EightBitLayers } from "./eight-bit-layers.ts";

/** A function and its backward pass, loaded. */
export interface SplitProgram {
  readonly forward: Program;
  readonly backward: Program;
  /** Outputs of `forward` that `backward` takes. */
  readonly saved: readonly string[];
}

/** Every graph of a training step. */
export interface TrainingPrograms {
  readonly embed: Program;
  readonly encodeFrozen: Program;
  /** The teacher's reader; gives the questions' attention when a scorer is to learn from it. */
  readonly readTeacher: Program;
  readonly encodeAdapted: SplitProgram;
  /** The last layer's, without the residual stream. */
  readonly encodeAdaptedLast: SplitProgram;
  readonly read: SplitProgram;
  readonly scorer: SplitProgram;
  readonly loss: Program;
}

export interface ProgramOptions {
  /** The teacher's attention is wanted, for `StepSettings.scorerLoss`. */
  readonly observed?: boolean;
  /** Heads keep different numbers of rows. */
  readonly ragged?: boolean;
  /** Products with frozen matrices in 8 bits; the weights must be of the same. */
  readonly eightBits?: EightBitLayers | undefined;
}

export async function loadTrainingPrograms(
  runtime: Runtime,
  config: ModelConfig,
  shape: AdapterShape,
  lambda: number,
  scorer: ScorerShape,
  { observed = false, ragged = false, eightBits }: ProgramOptions = {},
): Promise<TrainingPrograms> {
  const load = (graph: Graph): Promise<Program> => runtime.load({ name: graph.name, bytes: writeOnnx(graph) });
  const loadSplit = async ({ forward, backward, saved }: SplitGraphs): Promise<SplitProgram> => ({
    forward: await load(forward),
    backward: await load(backward),
    saved,
  });
  const fused = hasFusedAttention(config, runtime.device);
  const ofLayers = (graph: Graph): Graph => eightBits?.rewrite(graph) ?? graph;
  const loadLayers = ({ forward, backward, saved }: SplitGraphs): Promise<SplitProgram> =>
    loadSplit({ forward: ofLayers(forward), backward: ofLayers(backward), saved });
  return {
    embed: await load(embedGraph(config)),
    encodeFrozen: await load(ofLayers(encodeFrozenGraph(config, fused))),
    readTeacher: await load(ofLayers(readTeacherGraph(config, observed))),
    encodeAdapted: await loadLayers(encodeAdaptedGraphs(config, shape, { last: false, fused })),
    encodeAdaptedLast: await loadLayers(encodeAdaptedGraphs(config, shape, { last: true, fused })),
    read: await loadLayers(readGraphs(config, ragged)),
    scorer: await loadSplit(scorerGraphs(scorer)),
    loss: await load(lossGraph(config, lambda)),
  };
}
