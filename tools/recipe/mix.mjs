// Makes one training file of several: passages in a seeded order, at most five questions each. Where the model's own answer is known it is
// the target; elsewhere the gold answer is put in the words in which the model answers, so that the tokens that carry it are predicted
// from the passage and not from a way of speaking.
//
//   node tools/recipe/mix.mjs OUT ANSWERS DATA [DATA …]     ANSWERS: what `kv-distill prepare answers` wrote, or - for none
import { createReadStream, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import process from "node:process";
import { createGunzip } from "node:zlib";
import { shuffle } from "./draw.mjs";

const [out, answersFile, ...data] = process.argv.slice(2);
const QUESTIONS = 5;

async function* rows(path) {
  const bytes = createReadStream(path);
  const lines = createInterface({ input: path.endsWith(".gz") ? bytes.pipe(createGunzip()) : bytes });
  for await (const line of lines) if (line.trim() !== "") yield JSON.parse(line);
}

const own = new Map();
if (answersFile !== "-") for await (const row of rows(answersFile)) own.set(row.id, row);

const passages = new Map();
for (const path of data) {
  for await (const row of rows(path)) {
    const known = passages.get(row.context) ?? [];
    passages.set(row.context, known);
    if (known.length < QUESTIONS) known.push(row);
  }
}

const order = [...passages.keys()].sort();
shuffle(order);

let answered = 0;
const lines = order.flatMap((context) =>
  passages.get(context).map(({ id, source, question, answers, answer }) => {
    const mine = own.get(id);
    if (mine !== undefined) answered++;
    const gold = `The answer is: ${answers?.[0] ?? answer}`;
    return JSON.stringify({
      id,
      source,
      context,
      question,
      answer: mine?.answer ?? gold,
      answer_cut: mine?.answer_cut ?? false,
    });
  }),
);
writeFileSync(out, `${lines.join("\n")}\n`);
console.error(`${order.length} passages, ${lines.length} questions, ${answered} answered by the model`);
