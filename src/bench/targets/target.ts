import type { ModelFiles } from "../../models/model-files.ts";
import type { EndlessText } from "../inputs.ts";
import type { Triple } from "../sides/protocol.ts";
import type { Sizes } from "../sizes.ts";
import type { Trial } from "../trial.ts";

/** What trials are made of. */
export interface TargetInputs {
  readonly files: ModelFiles;
  readonly sizes: Sizes;
  /** What our side computes in where a trial does not say. */
  readonly precision: string;
  readonly text: EndlessText;
  /** Examples of the training step of a round. */
  readonly triples: (round: number) => readonly Triple[];
  /** Adapter folder that training starts from. */
  readonly start: string;
}

/** A group of trials that a person asks for by name. Its processes live as long as it. */
export type Target = (inputs: TargetInputs) => readonly Trial[];
