// Makes long texts with many questions of a SQuAD file in rows: the paragraphs of an article joined, in their order, up to a number of words; texts
// of less than three fifths of them are left out. Questions are taken evenly from begin to end.
//
//   node tools/recipe/articles.mjs OUT ROWS WORDS QUESTIONS     WORDS: of a text, at most, such as 2500; QUESTIONS: of a text
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { gunzipSync } from "node:zlib";

const [out, path, mostWords, mostQuestions] = process.argv.slice(2);
const LEAST = 0.6;

const wordsOf = (text) => text.split(/\s+/).length;

function rowsOf(file) {
  const bytes = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

function textsOf(rows) {
  const texts = [];
  const textOf = new Map();
  for (const row of rows) {
    const { title, context } = row;
    if (!textOf.has(context)) {
      const words = wordsOf(context);
      const last = texts.at(-1);
      const fits = last?.title === title && last.words + words <= Number(mostWords);
      const text = fits ? last : { title, words: 0, paragraphs: [], rows: [] };
      if (!fits) texts.push(text);
      text.words += words;
      text.paragraphs.push(context);
      textOf.set(context, text);
    }
    textOf.get(context).rows.push(row);
  }
  return texts.filter(({ words }) => words >= LEAST * Number(mostWords));
}

const texts = textsOf(rowsOf(path));
const asked = texts.flatMap(({ paragraphs, rows }) => {
  const context = paragraphs.join("\n\n");
  const step = Math.max(1, rows.length / Number(mostQuestions));
  return rows.filter((_, i) => Math.floor(i / step) > Math.floor((i - 1) / step)).map((row) => ({ ...row, context }));
});
writeFileSync(out, `${asked.map((row) => JSON.stringify(row)).join("\n")}\n`);
console.error(`${texts.length} texts, ${asked.length} questions`);
