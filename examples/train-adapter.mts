// Trains a small adapter on your own texts and questions, then answers with it. Ctrl-C saves; run again, it goes on.
// A line of the file is {"context": "…", "question": "…", "answer": "…"}.
//   npx tsx train-adapter.mts [QUESTIONS.jsonl [STEPS [FOLDER]]]          MODEL in the environment chooses another
import { readFile } from "node:fs/promises";
import process, { argv, env, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { compress, generate, loadAdapter, loadModel, openModel, parseTrainConfig, runTraining } from "kv-distill";

const [file = fileURLToPath(new URL("galapagos-questions.jsonl", import.meta.url)), steps = "20", out = "run"] =
  argv.slice(2);
const name = env.MODEL ?? "smollm2-135m-instruct";

const stop = new AbortController();
process.once("SIGINT", () => {
  stop.abort();
});
const { finished, adapter: folder } = await runTraining({
  files: await openModel(name),
  data: [file],
  out,
  // Every setting has a default; `kv-distill train --help` tells them all. A useful adapter needs hours and some thousand passages.
  config: parseTrainConfig({
    steps: Number(steps),
    batch: 2,
    microBatch: 2,
    rank: 8,
    eta: 2,
    warmupSteps: 3,
    minContext: 10,
  }),
  resume: true,
  checkpointEvery: 10,
  signal: stop.signal,
  onStep: ({ step, forwardKl }) => {
    console.log(`step ${step}: forward KL to the full cache ${forwardKl.toFixed(3)}`);
  },
  onNote: (line) => {
    console.error(line);
  },
});
console.log(`${finished ? "trained" : "stopped"}: ${folder}`);

if (finished) {
  const model = await loadModel(name);
  try {
    const [line = ""] = (await readFile(file, "utf8")).split("\n");
    const { context, question } = JSON.parse(line) as { context: string; question: string };
    const cache = await compress(model, context, { keep: 0.5, adapter: await loadAdapter(folder) });
    console.log(`> ${question}`);
    for await (const piece of generate(model, { cache, prompt: question, maxTokens: 32 })) stdout.write(piece);
    console.log();
  } finally {
    await model.close();
  }
}
