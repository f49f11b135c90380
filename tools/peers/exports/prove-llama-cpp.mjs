// Sequence states, read by node-llama-cpp on the GGUF file that the weights came from.
import { join } from "node:path";
import { divergence, equalIds, readRows, sameTop } from "./compare.mjs";
import { exported } from "./ours.mjs";
import { ask } from "./programs.mjs";
import { request, sizes } from "./proof.mjs";

/**
 * llama.cpp multiplies its own quantised weights with quantised activations: it is some way from us (mean KL in nats) already where it has
 * read the text itself. A state may not be further than this many times that.
 */
const FACTOR = 2;
/** Part of the steps at which its likeliest token is ours. */
const SAME_TOP = 0.9;
/** Tokens of a context beside what is read and written. */
const SPARE = 8;

/** Divergence of its predictions along our answer, and the ids that it chooses itself. */
export async function proveLlamaCpp(cases, setting, gguf, work) {
  const asked = [];
  for (const { name, kvd, questions, answers, tokenIds } of cases) {
    const shared = { of: name, questions, follow: answers.map(({ ids }) => ids) };
    if (name === "full") {
      const title = "read by llama.cpp itself";
      asked.push({ ...shared, name: title, native: tokenIds, flashAttention: false, out: join(work, "native") });
    }
    for (const flashAttention of [false, true]) {
      const title = flashAttention ? `${name}, flash attention` : name;
      const out = join(work, title);
      const layout = flashAttention ? ["--flash-attention"] : [];
      const [cache] = await exported(kvd, "llama.cpp", setting.model, `${out}.llama-state`, ...layout);
      asked.push({ ...shared, name: title, cache, flashAttention, out });
    }
  }
  const contextSize = Math.max(
    ...cases.flatMap(({ contextLength, questions }) =>
      questions.map(({ length }) => contextLength + length + setting.steps + SPARE),
    ),
  );
  const { versions, answers } = await ask("llama.cpp", { ...request(setting, asked), gguf, contextSize }, work);
  const compare = ({ name, of }) =>
    compared(
      cases.find((own) => own.name === of),
      answers[name],
      setting,
    );
  const floor = compare(asked.find(({ native }) => native !== undefined)).kl;
  return asked.map((one) => {
    const ours = cases.find((own) => own.name === one.of);
    const { kl, tops, equal, placed } = compare(one);
    const ids = ours.answers.length * setting.steps;
    const limit = one.native === undefined ? FACTOR * floor : Infinity;
    return {
      program: "llama.cpp",
      versions,
      cache: one.name,
      ...sizes(ours),
      measure: "mean KL",
      value: kl,
      limit: one.native === undefined ? `≤ ${limit.toPrecision(2)}` : "",
      tops,
      equal,
      ids,
      good: placed && kl <= limit && tops >= SAME_TOP * ids,
    };
  });
}

function compared(ours, theirs, { files }) {
  let [kl, steps, tops, equal, placed] = [0, 0, 0, 0, true];
  theirs.forEach(({ ids, logProbs, next }, i) => {
    // The next token's position is the context's length, whatever was kept.
    placed &&= next === ours.contextLength;
    equal += equalIds(ours.answers[i].ids, ids);
    for (const [step, row] of readRows(logProbs, files.config.vocabSize).entries()) {
      const own = ours.answers[i].logProbs[step];
      kl += divergence(own, row);
      tops += sameTop(own, row) ? 1 : 0;
      steps++;
    }
  });
  return { kl: kl / steps, tops, equal, placed };
}
