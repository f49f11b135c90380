import { evaluatePassage, type Wanted } from "./evaluate-passage.ts";
import type { EvaluationSetup } from "./evaluation-setup.ts";
import type { PassageTask } from "./question.ts";
import type { SampleRow } from "./sample-row.ts";
import { sideBySide } from "./side-by-side.ts";

/**
 * Measures passages in this process; rows come in batches. Each setup has a copy of the model of its own and takes the next passage when it has
 * done one, so several passages are measured at the same time.
 * @throws KvDistillError as `evaluatePassage`
 */
export function measureHere(
  setups: readonly EvaluationSetup[],
  tasks: readonly PassageTask[],
  wanted: Wanted,
): AsyncGenerator<SampleRow[], void, undefined> {
  const stop = new AbortController();
  const left = tasks.values();
  const sources = setups.map((setup) => {
    const signal = setup.signal === undefined ? stop.signal : AbortSignal.any([setup.signal, stop.signal]);
    return passagesOf({ ...setup, signal }, left, { wanted, beside: setups.length });
  });
  return sideBySide(sources, () => {
    stop.abort();
  });
}

async function* passagesOf(
  setup: EvaluationSetup,
  left: Iterable<PassageTask>,
  { wanted, beside }: { readonly wanted: Wanted; readonly beside: number },
): AsyncGenerator<SampleRow[], void, undefined> {
  for (const task of left) {
    for await (const batch of evaluatePassage(setup, task, wanted)) {
      yield batch.map((row) => ({ ...row, seconds: row.seconds / beside }));
    }
  }
}
