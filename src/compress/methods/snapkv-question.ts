import { questionOf } from "../question.ts";
import { smoothed } from "../window.ts";
import { perHeadMethod } from "./per-head.ts";

/**
 * SnapKV (arXiv 2404.14469) as its authors use it: the observation window is the end of the prompt, which is the question. All of the budget
 * goes to the context: the question is read after it in any case.
 */
export const snapkvQuestion = perHeadMethod(
  "snapkv-question",
  async (request) => {
    const { context } = request;
    const tokens = context.ids.length;
    const [asked = []] = await context.attentionFromProbes([{ ids: questionOf(request), reduction: "sum" }]);
    return asked.map((received) => {
      const scores = new Float32Array(received.length);
      for (let start = 0; start < received.length; start += tokens) {
        scores.set(smoothed(received.subarray(start, start + tokens)), start);
      }
      return scores;
    });
  },
  { questionAware: true },
);
