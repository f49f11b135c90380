import type { AdapterConfig, ScorerForm } from "../../cache/adapter.ts";
import type { ScorerShape } from "../../compress/scorer.ts";
import type { ModelConfig } from "../../models/config.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { TrainingPrograms } from "./programs.ts";
import type { TrainingWeights } from "./weights.ts";

/** The method's choices that a step depends on. Those that an adapter keeps are explained there. */
export interface StepSettings extends Pick<
  AdapterConfig,
  | "eta"
  | "sinks"
  | "gate"
  | "sinkGate"
  | "selection"
  | "routing"
  | "foldPositions"
  | "foldCut"
  | "readPositions"
  | "strengthExponent"
> {
  /** Tokens of a context that are encoded in one piece; longer ones are folded (METHOD section 6). */
  readonly foldTokens: number;
  /** Weight of the distance between scores and the attention that the teacher's probes pay; 0 for none, as the paper has it. */
  readonly scorerLoss: number;
  /** What the probes are: the passage's questions, or all its turns, what is to be repeated too. */
  readonly scorerProbes: ScorerProbes;
}

export const SCORER_PROBES = ["questions", "turns"] as const;
export type ScorerProbes = (typeof SCORER_PROBES)[number];

/** Whether heads keep different numbers of rows. */
export function isRagged({ selection }: Pick<StepSettings, "selection">): boolean {
  return selection === "across-heads";
}

/** Scores of a token: one, or one for every layer and kv head. */
export function scoreColumnsOf({ selection }: Pick<StepSettings, "selection">, config: ModelConfig): number {
  return selection === "shared" ? 1 : config.numLayers * config.numKvHeads;
}

/** Units between the scorer's linear maps; 0 asks for as many as the model's hidden size. */
export function scorerWidthOf({ scorerWidth }: Pick<ScorerForm, "scorerWidth">, { hiddenSize }: ModelConfig): number {
  return scorerWidth === 0 ? hiddenSize : scorerWidth;
}

/** The scorer that a run of a model trains. */
export function scorerShapeFor(
  settings: Pick<StepSettings, "selection"> & ScorerForm,
  config: ModelConfig,
): ScorerShape {
  const { scorerNorm, scorerActivation } = settings;
  return {
    scorerNorm,
    scorerActivation,
    scorerWidth: scorerWidthOf(settings, config),
    hiddenSize: config.hiddenSize,
    columns: scoreColumnsOf(settings, config),
  };
}

/** Everything that stays the same from step to step. */
export interface StepEngine {
  readonly runtime: Runtime;
  readonly config: ModelConfig;
  readonly programs: TrainingPrograms;
  readonly weights: TrainingWeights;
  readonly settings: StepSettings;
}
