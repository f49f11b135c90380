// Questions sequence states in node-llama-cpp (prove-exports.mjs says how it is asked). `follow` is the answer that log-probabilities are told
// along; a case with `native` has no state: the context's ids are read by llama.cpp itself.
import { readFileSync, writeFileSync } from "node:fs";
import { getLlama, LlamaLogLevel, version } from "../node_llama_cpp.mjs";

const request = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { threads, steps } = request;
const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: request.gguf });

/** Log-probabilities of each next token along `follow`, one Float32Array [vocabulary] each. */
async function along(sequence, question, follow) {
  // Of all tokens: a sampler that leaves some out would leave them out here.
  const wanted = { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } } };
  const ids = [...question, ...follow.slice(0, -1)];
  const outputs = await sequence.controlledEvaluate(ids.map((id, i) => (i < question.length - 1 ? id : [id, wanted])));
  return outputs.slice(question.length - 1).map(({ next: { probabilities } }) => {
    const row = new Float32Array(request.vocabulary).fill(NaN);
    for (const [id, probability] of probabilities) row[id] = Math.log(probability);
    return row;
  });
}

async function greedy(sequence, question) {
  const chosen = [];
  for await (const id of sequence.evaluate(question, { temperature: 0, yieldEogToken: true })) {
    chosen.push(id);
    if (chosen.length === steps) break;
  }
  return chosen;
}

const answers = {};
for (const { name, cache, native, flashAttention, questions, follow, out } of request.cases) {
  const context = await model.createContext({
    contextSize: request.contextSize,
    flashAttention,
    threads: { ideal: threads, min: threads },
  });
  const sequence = context.getSequence();
  const start = async () => {
    await sequence.clearHistory();
    if (native === undefined) await sequence.loadStateFromFile(cache, { acceptRisk: true });
    else await sequence.evaluateWithoutGeneratingNewTokens(native);
  };
  answers[name] = [];
  for (const [i, question] of questions.entries()) {
    await start();
    const next = sequence.nextTokenIndex;
    const rows = await along(sequence, question, follow[i]);
    const logProbs = `${out}-${i}.f32`;
    writeFileSync(logProbs, Buffer.concat(rows.map((row) => Buffer.from(row.buffer))));
    await start();
    answers[name].push({ ids: await greedy(sequence, question), logProbs, next });
  }
  await context.dispose();
}
console.log(
  JSON.stringify({ versions: { "node-llama-cpp": version, "llama.cpp": llama.llamaCppRelease.release }, answers }),
);
process.exit(0);
