import type { FoldCut } from "../../cache/adapter.ts";
import type { CompressionMethod } from "../../compress/method.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { Task } from "../tasks/task.ts";
import type { Condition } from "./conditions.ts";
import type { KeptFile } from "./kept-file.ts";

/** What all passages of a run share. */
export interface EvaluationSetup {
  readonly model: LanguageModel;
  readonly task: Pick<Task, "style" | "metrics" | "maxNewTokens">;
  readonly methods: ReadonlyMap<string, CompressionMethod>;
  readonly conditions: readonly Condition[];
  readonly sinks: number;
  readonly seed: number;
  /** Of an answer; null: as the task says. */
  readonly maxNewTokens: number | null;
  /** Of a gold answer, to compare predictions at. */
  readonly goldTokens: number;
  /** Tokens of a fold; undefined: in one piece. */
  readonly fold?: number;
  /** Of all methods alike, as the adapter that is measured has it. */
  readonly foldCut: FoldCut;
  /** Where it is written what was kept. */
  readonly kept?: KeptFile;
  readonly signal?: AbortSignal;
}
