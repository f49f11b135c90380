import { CompressionContext } from "../../compress/context.ts";
import { keptCount } from "../../compress/kept-count.ts";
import { snapkv } from "../../compress/methods/snapkv.ts";
import { partsOf } from "../../evaluate/run/batches.ts";
import { readQuestions } from "../../evaluate/run/read-questions.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { AnswersRequest } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** No gold answer is read: of one token nothing is. */
const NO_GOLD = [0];

/** Answers as an evaluation makes them: the context read once, questions and caches side by side. */
export async function answering(
  model: LanguageModel,
  { context: ids, keeps, questions, steps }: AnswersRequest,
  measure: Measure,
): Promise<Done> {
  const { value, seconds } = await measure(async () => {
    const context = new CompressionContext(model, ids);
    const method = snapkv();
    const caches = keeps.map((keep) => ({
      // No sinks beside the window, as kvpress has it.
      count: keptCount(ids.length, keep, 0),
      answers: [] as (readonly number[])[],
    }));
    const asked = questions.map((questionIds, sample) => ({ sample, questionIds, answerIds: NO_GOLD }));
    const parts = partsOf(caches, asked, {
      rowsOf: ({ count }) => count,
      config: model.config,
      maxNewTokens: steps,
    });
    for (const { conditions, batches } of parts) {
      const made = await Promise.all(
        conditions.map(async (cache) => {
          const { layers } = await method.compress({ context, count: cache.count, sinks: 0, seed: 0 });
          return { cache, start: { layers, position: ids.length } };
        }),
      );
      for (const batch of batches) {
        const askings = made.flatMap((own) => batch.map((question) => ({ ...own, question, maxNewTokens: steps })));
        const readings = await readQuestions(model, askings, { stopIds: [] });
        askings.forEach(({ cache, question }, i) => (cache.answers[question.sample] = readings[i]?.answerIds ?? []));
      }
    }
    return caches.flatMap(({ answers }) => answers.flat());
  });
  return { seconds, tokens: keeps.length * questions.length, check: { ids: value } };
}
