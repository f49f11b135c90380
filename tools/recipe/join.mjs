// Makes longer contexts of a training file: some passages stand alone, others are joined in twos to fours, so that rows of different
// passages compete for one budget. Five questions are asked of each context, the first passages' first: of four passages the last has none, as
// the package's adapter was trained. Reads what tools/recipe/mix.mjs wrote.
//
//   node tools/recipe/join.mjs OUT MIX PART     PART: the part of the passages that is joined, such as 0.4
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { below, shuffle } from "./draw.mjs";

const [out, mix, part] = process.argv.slice(2);
const QUESTIONS = 5;

const passages = new Map();
for (const line of readFileSync(mix, "utf8").split("\n")) {
  if (line === "") continue;
  const row = JSON.parse(line);
  passages.set(row.context, [...(passages.get(row.context) ?? []), row]);
}

const alone = [];
const rest = [];
for (const questions of passages.values()) (below(1000) < Number(part) * 1000 ? rest : alone).push(questions);

const joined = [];
while (rest.length > 1) {
  const group = rest.splice(0, 2 + below(3));
  const context = group.map(([first]) => first.context).join("\n\n");
  const each = Math.ceil(QUESTIONS / group.length);
  const asked = group.flatMap((questions) => questions.slice(0, each)).slice(0, QUESTIONS);
  // Asked in an order of its own: a question's place tells nothing about its passage's.
  shuffle(asked);
  joined.push(asked.map((row) => ({ ...row, context })));
}

// A drawn order, though training draws its own: what looks only at the first passages sees both kinds.
const contexts = [...alone, ...rest, ...joined];
shuffle(contexts);
writeFileSync(out, `${contexts.map((rows) => rows.map((row) => JSON.stringify(row)).join("\n")).join("\n")}\n`);
console.error(`${alone.length + rest.length} passages alone, ${joined.length} contexts of two to four`);
