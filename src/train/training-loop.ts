import type { ExampleSet } from "../data/example-set.ts";
import type { TrainingState } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import type { NotFiniteReport } from "./not-finite.ts";
import type { StepReport } from "./trainer.ts";

/** What a run hands to who computes its steps. */
export interface LoopTask {
  readonly examples: ExampleSet;
  readonly config: TrainConfig;
  /** Where the run stands; may be changed in place. */
  readonly state: TrainingState;
  readonly signal?: AbortSignal;
  /** Before the first step, when all is ready. */
  readonly onStart: () => void;
  /** After every step, in order. */
  readonly onStep: (report: StepReport) => Promise<void>;
  /** At every step from which the run could go on; the state is asked for when a checkpoint is due. */
  readonly onState: (step: number, state: () => Promise<TrainingState>) => Promise<void>;
  /** At the end, with the last state from which the run could go on: it is saved. */
  readonly onEnd: (state: TrainingState) => Promise<void>;
  readonly onNotFinite: (report: NotFiniteReport) => Promise<void>;
  readonly onNote: (line: string) => void;
}

/** Takes a run from where it stands to its last step, or to the signal. */
export type TrainingLoop = (task: LoopTask) => Promise<void>;
