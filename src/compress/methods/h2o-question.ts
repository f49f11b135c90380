import { questionOf } from "../question.ts";
import { perHeadMethod } from "./per-head.ts";

/**
 * H2O (arXiv 2306.14048) as it is when the question is a part of the prompt: the attention of context and question together chooses. KV-Distill's
 * paper calls this "question-aware".
 */
export const h2oQuestion = perHeadMethod(
  "h2o-question",
  async (request) => {
    const { context } = request;
    const own = await context.attentionFromLast(context.ids.length);
    const [asked = []] = await context.attentionFromProbes([{ ids: questionOf(request), reduction: "sum" }]);
    return own.map((layer, i) => layer.map((mass, at) => mass + (asked[i]?.[at] ?? 0)));
  },
  { questionAware: true },
);
