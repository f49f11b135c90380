// Compares methods at one budget on your own questions: how often a gold answer is in the answer, and how far predictions are from the full
// cache's. A line of the file is {"context": "…", "question": "…", "answer": "…"}, or "answers": a list.
//   npx tsx compare-methods.mts [QUESTIONS.jsonl] [KEEP] [METHOD …]          MODEL in the environment chooses another
import { argv, env, stderr } from "node:process";
import { fileURLToPath } from "node:url";
import { attachAdapter, evaluate, loadModel, shippedAdapter, squadTask } from "kv-distill";

const [file = fileURLToPath(new URL("galapagos-questions.jsonl", import.meta.url)), keep = "0.25", ...given] =
  argv.slice(2);
const methods = given.length > 0 ? given : ["full", "none", "streaming", "snapkv", "h2o", "kv-distill"];

const model = await loadModel(env.MODEL ?? "smollm2-135m-instruct");
try {
  const adapter = methods.includes("kv-distill")
    ? await attachAdapter(model, await shippedAdapter(model.files))
    : undefined;
  const { results, questions } = await evaluate({
    model,
    task: squadTask(file),
    config: { limit: 20, methods, keeps: [Number(keep)], seed: 0, maxNewTokens: 32 },
    ...(adapter === undefined ? {} : { adapter }),
    onProgress: (done, total) => {
      stderr.write(`\r${done} of ${total} answers${done === total ? "\n" : ""}`);
    },
    onNote: (line) => {
      console.error(line);
    },
  });
  console.log(`${questions} questions, ${keep} kept`);
  for (const { method, goldInAnswer = 0, forwardKl, obtainedKeep } of results) {
    const kl = forwardKl?.toFixed(2) ?? "none";
    console.log(
      `${method}: gold in ${goldInAnswer.toFixed(0)} % of answers, KL ${kl}, ${(100 * obtainedKeep).toFixed(0)} % of rows`,
    );
  }
} finally {
  await model.close();
}
