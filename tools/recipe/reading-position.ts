/**
 * What reading on at the number of kept rows would cost, instead of after the context's last token (docs/decisions/0211):
 *   node --import tsx tools/recipe/reading-position.ts DATA.jsonl.gz [PASSAGES]
 * KL to the full cache at the gold answers, in nats, of the same compressed caches read at both positions.
 */
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { CompressionContext } from "../../src/compress/context.ts";
import { keptCount } from "../../src/compress/kept-count.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { divergence, teacherOf } from "../../src/evaluate/metrics/divergence.ts";
import { readQuestions } from "../../src/evaluate/run/read-questions.ts";
import { attachAdapter, loadModel, passagePromptOf, shippedAdapter } from "../../src/index.ts";

const METHODS = ["kv-distill", "kvzip", "snapkv", "streaming", "random"];
const KEEPS = [0.5, 0.25, 0.1];
const SINKS = 4;
/** Of a passage. */
const QUESTIONS = 2;

interface Row {
  readonly context: string;
  readonly question: string;
  readonly answers: readonly string[];
}

const [path = "", passages = "25"] = process.argv.slice(2);
const byContext = new Map<string, Row[]>();
for (const line of gunzipSync(await readFile(path))
  .toString("utf8")
  .split("\n")) {
  if (line === "") continue;
  const row = JSON.parse(line) as Row;
  byContext.set(row.context, [...(byContext.get(row.context) ?? []), row]);
}

const model = await loadModel("smollm2-135m-instruct");
const adapter = await attachAdapter(model, await shippedAdapter(model.files));
const prompt = passagePromptOf(model.files, "short-answer");
/** [method and budget][position] */
const sums = new Map<string, { context: number; kept: number; answers: number }>();
for (const [context, rows] of [...byContext].slice(0, Number(passages))) {
  const whole = new CompressionContext(model, prompt.contextIds(context));
  const tokens = whole.ids.length;
  const questions = rows.slice(0, QUESTIONS).map(({ question, answers }) => ({
    questionIds: prompt.questionIds(question),
    answerIds: prompt.answerIds(answers[0] ?? ""),
  }));
  const read = async (layers: Awaited<ReturnType<CompressionContext["full"]>>["layers"], position: number) =>
    readQuestions(
      model,
      questions.map((question) => ({ start: { layers, position }, question, maxNewTokens: 0 })),
    );
  const teachers = (await read((await whole.full()).layers, tokens)).map(({ goldLogits }) => teacherOf(goldLogits));
  for (const name of METHODS) {
    for (const keep of KEEPS) {
      const count = keptCount(tokens, keep, SINKS);
      const method = methodNamed(name, adapter);
      const { layers } = await method.compress({ context: whole, count, sinks: SINKS, seed: 0 });
      const sum = sums.get(`${name} ${keep}`) ?? { context: 0, kept: 0, answers: 0 };
      for (const [where, position] of [["context", tokens] as const, ["kept", count] as const]) {
        for (const [i, { goldLogits }] of (await read(layers, position)).entries()) {
          sum[where] += divergence(teachers[i] ?? [], goldLogits, questions[i]?.answerIds ?? []).forwardKl;
        }
      }
      sum.answers += questions.length;
      sums.set(`${name} ${keep}`, sum);
    }
  }
}
for (const [name, { context, kept, answers }] of sums) {
  const [a, b] = [context / answers, kept / answers].map((kl) => kl.toFixed(3));
  process.stdout.write(`${name.padEnd(18)} after the context ${a}  after the kept rows ${b}  (${answers} answers)\n`);
}
await model.close();
