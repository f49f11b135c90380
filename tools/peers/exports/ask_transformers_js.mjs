// Questions exported caches in transformers.js, through the loader that was exported with them (prove-exports.mjs says how it is asked).
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { library, openModel, version } from "../transformers_js_model.mjs";
import { logSoftmax } from "./log-softmax.mjs";

const { LogitsProcessor, LogitsProcessorList, Tensor } = library;

/** Keeps what generate() chooses from, step by step. */
class Recorder extends LogitsProcessor {
  rows = [];
  _call(_ids, logits) {
    this.rows.push(logSoftmax(Float32Array.from(logits.data)));
    return logits;
  }
}

const request = JSON.parse(readFileSync(process.argv[2], "utf8"));
const model = await openModel(request, "fp32", request.threads);
model.generation_config.eos_token_id = null; // as many tokens as are asked for
const answers = {};
for (const { name, loader, cache: path, control, questions, out } of request.cases) {
  const { readCache, generateAfter } = await import(pathToFileURL(loader));
  const cache = readCache(readFileSync(path));
  if (control) cache.position = cache.rows;
  answers[name] = [];
  for (const [i, question] of questions.entries()) {
    const recorder = new Recorder();
    const recorders = new LogitsProcessorList();
    recorders.push(recorder);
    const ids = await generateAfter(model, cache, new Tensor("int64", question.map(BigInt), [1, question.length]), {
      max_new_tokens: request.steps,
      do_sample: false,
      logits_processor: recorders,
    });
    const logProbs = `${out}-${i}.f32`;
    writeFileSync(logProbs, Buffer.concat(recorder.rows.map((row) => Buffer.from(row.buffer))));
    answers[name].push({ ids, logProbs });
  }
}
console.log(JSON.stringify({ versions: { "transformers.js": version }, answers }));
process.exit(0);
