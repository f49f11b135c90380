// Makes contexts that are long enough to be folded: passages joined until they have a drawn number of words, and stories that are as long by
// themselves. Of each five questions are asked, of five different passages where there are as many, so that every part is asked about alike;
// one question in four is put with options, whose wrong ones answer other questions. Some passages stand alone, so that short
// texts are not unlearned.
//
//   node tools/recipe/long.mjs OUT MIX ALONE LONG [LONG …]
//     MIX: what tools/recipe/mix.mjs wrote; ALONE: the part of its passages that stand alone; LONG: rows with contexts of any length
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { below, shuffle } from "./draw.mjs";

const [out, mix, part, ...long] = process.argv.slice(2);
const QUESTIONS = 5;
const [LEAST_WORDS, MOST_WORDS] = [400, 2100];
const LETTERS = ["A", "B", "C", "D"];

function passagesOf(path) {
  const bytes = readFileSync(path);
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const passages = new Map();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const { id, source, context, question, answer, answers, ...rest } = JSON.parse(line);
    const row = {
      id,
      source,
      question,
      answer: answer ?? `The answer is: ${answers[0]}`,
      plain: answers?.[0],
      ...rest,
    };
    passages.set(context, [...(passages.get(context) ?? []), row]);
  }
  const all = [...passages].map(([context, questions]) => ({ context, questions, words: context.split(/\s+/).length }));
  shuffle(all);
  return all;
}

/** One question of each passage in turn, until there are enough. */
function ask(group) {
  const left = group.map(({ questions }) => [...questions]);
  for (const own of left) shuffle(own);
  shuffle(left);
  const asked = [];
  while (asked.length < QUESTIONS && left.some(({ length }) => length > 0)) {
    for (const own of left) if (own.length > 0 && asked.length < QUESTIONS) asked.push(own.pop());
  }
  return asked;
}

/** The words that carry the answer: a gold answer as it is, of a model's own what follows its way of speaking. */
function short({ plain, answer }) {
  return (plain ?? answer.replace(/^The answer is:?\s*/u, "")).trim();
}

function withOptions(row, others) {
  const wrong = [...new Set(others.map(short))].filter((own) => own !== short(row) && own !== "");
  if (wrong.length < 3) return row;
  shuffle(wrong);
  const options = [short(row), ...wrong.slice(0, 3)];
  shuffle(options);
  const lines = options.map((option, i) => `${LETTERS[i]}. ${option}`);
  return {
    ...row,
    style: "plain",
    question: `\n\nQuestion: ${row.question.trim()}\n${lines.join("\n")}\n\nAnswer with the letter of the right option alone.`,
    answer: LETTERS[options.indexOf(short(row))],
    answer_cut: false,
  };
}

/** JSON leaves out what is undefined. */
function lineOf(row, context) {
  return JSON.stringify({ ...row, plain: undefined, context });
}

const passages = passagesOf(mix);
const alone = passages.filter(() => below(1000) < Number(part) * 1000);
const rest = passages.filter((passage) => !alone.includes(passage));
const stories = long.flatMap(passagesOf).filter(({ words }) => words <= MOST_WORDS);
const pool = [...rest, ...stories];
shuffle(pool);
const answers = pool.slice(0, 400).flatMap(({ questions }) => questions);

const joined = [];
while (pool.length > 0) {
  // As many short contexts as long ones, by their logarithm.
  const wanted = LEAST_WORDS * (MOST_WORDS / LEAST_WORDS) ** (below(1000) / 1000);
  const group = [];
  let words = 0;
  while (words < wanted && pool.length > 0) {
    const next = pool.pop();
    if (words > 0 && words + next.words > MOST_WORDS) break;
    group.push(next);
    words += next.words;
  }
  if (words < LEAST_WORDS) continue;
  const context = group.map((passage) => passage.context).join("\n\n");
  joined.push(
    ask(group).map((row) => {
      const others = Array.from({ length: 12 }, () => answers[below(answers.length)]);
      return lineOf(below(4) === 0 ? withOptions(row, others) : row, context);
    }),
  );
}
const single = alone.map(({ context, questions }) => questions.map((row) => lineOf(row, context)));
const contexts = [...single, ...joined];
shuffle(contexts);
writeFileSync(out, `${contexts.flat().join("\n")}\n`);
console.error(`${single.length} passages alone, ${joined.length} contexts of ${LEAST_WORDS} words and more`);
