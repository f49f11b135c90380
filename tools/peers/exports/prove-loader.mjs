// Programs that read the exported safetensors file through the loader beside it.
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { equalIds, largestDifference, readRows } from "./compare.mjs";
import { exported } from "./ours.mjs";
import { ask, NODE_MODULES } from "./programs.mjs";
import { CONTROL, request, sizes, TOLERANCE } from "./proof.mjs";

/** Log-probabilities of every token at every step of generate(), and the ids that it chose. */
export async function proveLoader(name, cases, setting, work) {
  if (name === "transformers.js") symlinkSync(NODE_MODULES, join(work, "node_modules"));
  const asked = [];
  for (const { name: cacheName, kvd, questions } of cases) {
    const out = join(work, cacheName);
    const [cache, loader] = await exported(kvd, name, setting.model, `${out}.safetensors`);
    asked.push({ name: cacheName, cache, loader, control: false, questions, out });
  }
  // The same once more with positions counted by rows: a proof that cannot fail is none.
  const last = asked.at(-1);
  asked.push({ ...last, name: "wrong positions", control: true, out: join(work, "control") });
  const { versions, answers } = await ask(name, request(setting, asked), work);
  return asked.map(({ name: cacheName, control }) => {
    const ours = cases.find((own) => own.name === (control ? last.name : cacheName));
    const { difference, equal } = compared(ours.answers, answers[cacheName], setting);
    const ids = ours.answers.length * setting.steps;
    return {
      program: name,
      versions,
      cache: cacheName,
      ...sizes(ours),
      measure: "largest difference of a log-probability",
      value: difference,
      limit: control ? `> ${CONTROL}` : `≤ ${TOLERANCE}`,
      equal,
      ids,
      good: control ? difference > CONTROL : difference <= TOLERANCE && equal === ids,
    };
  });
}

function compared(ours, theirs, { files, steps }) {
  let [difference, equal] = [0, 0];
  theirs.forEach(({ ids, logProbs }, i) => {
    const same = equalIds(ours[i].ids, ids);
    equal += same;
    const rows = readRows(logProbs, files.config.vocabSize);
    if (rows.length !== steps) throw new Error(`${rows.length} steps instead of ${steps}`);
    // Where an id differs, what follows is about another text.
    rows.slice(0, same + 1).forEach((row, step) => {
      difference = Math.max(difference, largestDifference(ours[i].logProbs[step], row));
    });
  });
  return { difference, equal };
}
