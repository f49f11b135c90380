// llama.cpp through node-llama-cpp, on the GGUF file that the weights came from.
import { getLlama, LlamaLogLevel, version } from "./node_llama_cpp.mjs";
import { measure, serve } from "./serve.mjs";

let sequence;
let prepared = "";

async function open({ model: { gguf }, threads }) {
  if (gguf === null) throw new Error("the model did not come as a GGUF file");
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath: gguf });
  const context = await model.createContext({
    contextSize: model.trainContextSize,
    threads: { ideal: threads, min: threads },
  });
  sequence = context.getSequence();
}

/** Greedy tokens after `ids`, as many as are wanted; no token ends it. */
async function greedy(ids, count) {
  const chosen = [];
  for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    chosen.push(token);
    if (chosen.length === count) break;
  }
  if (chosen.length < count) throw new Error(`the answer ended after ${chosen.length} of ${count} tokens`);
  return chosen;
}

async function prefill({ ids }) {
  prepared = "";
  await sequence.clearHistory();
  const { value, ...measured } = await measure(() => greedy(ids, 1));
  return { ...measured, tokens: ids.length, check: { next: value[0] } };
}

async function decode({ context, keep, first, steps }) {
  if (keep < 1) throw new Error("only full caches");
  const key = JSON.stringify(context);
  if (prepared === key) {
    await sequence.eraseContextTokenRanges([{ start: context.length, end: sequence.nextTokenIndex }]);
  } else {
    await sequence.clearHistory();
    await sequence.evaluateWithoutGeneratingNewTokens(context);
    prepared = key;
  }
  if (sequence.nextTokenIndex !== context.length) throw new Error("the cache is not the context's");
  const { value: ids, ...measured } = await measure(() => greedy([first], steps));
  return { ...measured, tokens: steps, check: { ids } };
}

await serve({ "node-llama-cpp": version }, open, { prefill, decode });
