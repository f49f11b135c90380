// Makes the rows of eval_squad_dev.jsonl.gz (docs/leaderboard/runs/README.md) of SQuAD's published file: every second article, from the first on.
//
//   node tools/recipe/every-second-article.mjs OUT dev-v1.1.json
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

const [out, path] = process.argv.slice(2);
const { data, version } = JSON.parse(readFileSync(path, "utf8"));
const rows = data
  .filter((_, i) => i % 2 === 0)
  .flatMap(({ title, paragraphs }) =>
    paragraphs.flatMap(({ context, qas }) =>
      qas.map(({ id, question, answers }) => ({
        id,
        source: `squad_v${version}_dev`,
        title,
        context,
        question,
        answers: answers.map(({ text }) => text),
      })),
    ),
  );
writeFileSync(out, `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`);
console.error(`${rows.length} questions`);
