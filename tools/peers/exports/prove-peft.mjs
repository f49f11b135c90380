// PEFT applies an adapter to every token of a text: so do we, and compare. Which tokens the query and output adapters act on, the scorer and
// the gate are what it has no place for (docs/exporting.md).
import { join } from "node:path";
import { largestDifference, readRows } from "./compare.mjs";
import { ask } from "./programs.mjs";
import { CONTROL, request, TOLERANCE } from "./proof.mjs";

/** Largest difference of a key or value, beside the largest of them. */
const ROW_TOLERANCE = 1e-5;

export async function provePeft(own, setting, work) {
  if (own === undefined) throw new Error("no adapter comes with the package for this model");
  const { adapter, ids, base, adapted } = own;
  const asked = [{ name: "adapter", adapter, ids, out: join(work, "adapter") }];
  const { versions, answers } = await ask("peft", request(setting, asked), work);
  const theirs = answers.adapter;
  const { vocabSize, numKvHeads, headDim } = setting.files.config;
  const logs = (ours, path) =>
    Math.max(...readRows(path, vocabSize).map((row, i) => largestDifference(ours.logProbs[i], row)));
  const theirRows = readRows(theirs.adapted.rows, numKvHeads * ids.length * headDim);
  const ourRows = adapted.layers.flatMap(({ keys, values }) => [keys, values]);
  const apart = Math.max(...ourRows.map((rows, i) => largestDifference(rows, theirRows[i])));
  const largest = Math.max(...ourRows.map((rows) => largestDifference(rows, new Float32Array(rows.length))));
  const without = logs(adapted, theirs.base.logProbs);
  const within = (value, limit) => ({ value, limit: `≤ ${limit}`, good: value <= limit });
  return [
    { cache: "adapter, log-probabilities", ...within(logs(adapted, theirs.adapted.logProbs), TOLERANCE) },
    { cache: "adapter, keys and values", ...within(apart / largest, ROW_TOLERANCE) },
    { cache: "no adapter, log-probabilities", ...within(logs(base, theirs.base.logProbs), TOLERANCE) },
    { cache: "adapter left out", value: without, limit: `> ${CONTROL}`, good: without > CONTROL },
  ].map((row) => ({ program: "peft", versions, rows: ids.length, contextLength: ids.length, ...row }));
}
