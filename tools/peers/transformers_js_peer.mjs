// transformers.js in Node, float32, on an ONNX export of the same weights.
import { measure, serve } from "./serve.mjs";
import { library, openModel, version } from "./transformers_js_model.mjs";

const { DynamicCache, Tensor } = library;

let model;
let prepared = { key: "", entries: {} };

async function open({ model: files, threads, precision }) {
  model = await openModel(files, precision, threads);
}

const int64 = (values) => new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);

/** One forward pass, as generate() makes it. */
async function forward(ids, past, length) {
  const inputs = { input_ids: int64(ids), attention_mask: int64(new Array(length).fill(1)) };
  if (model.forward_params.includes("num_logits_to_keep")) {
    inputs.num_logits_to_keep = new Tensor("int64", BigInt64Array.of(1n), []);
  }
  const outputs = await model.forward({
    ...inputs,
    ...(past === undefined ? {} : { past_key_values: new DynamicCache(past) }),
  });
  const entries = {};
  for (const [name, value] of Object.entries(outputs)) {
    if (name.startsWith("present")) entries[name.replace("present", "past_key_values")] = value;
  }
  const { dims, data } = outputs.logits;
  const last = data.subarray((dims[1] - 1) * dims[2], dims[1] * dims[2]);
  let next = 0;
  for (let id = 1; id < last.length; id++) if (last[id] > last[next]) next = id;
  return { entries, next };
}

async function prefill({ ids }) {
  const { value, ...measured } = await measure(() => forward(ids, undefined, ids.length));
  return { ...measured, tokens: ids.length, check: { next: value.next } };
}

async function decode({ context, keep, first, steps }) {
  if (keep < 1) throw new Error("only full caches");
  const key = JSON.stringify(context);
  if (prepared.key !== key) prepared = { key, entries: (await forward(context, undefined, context.length)).entries };
  const { value: ids, ...measured } = await measure(async () => {
    const chosen = [];
    let [past, id] = [prepared.entries, first];
    for (let i = 0; i < steps; i++) {
      const step = await forward([id], past, context.length + i + 1);
      [past, id] = [step.entries, step.next];
      chosen.push(id);
    }
    return chosen;
  });
  return { ...measured, tokens: steps, check: { ids } };
}

await serve({ "transformers.js": version }, open, { prefill, decode });
