// Reads a cache that `kv-distill export --to transformers.js` wrote. Needs @huggingface/transformers 4.
//
// const model = await AutoModelForCausalLM.from_pretrained(…, { dtype: "fp32" });
// const cache = readCache(await readFile("report.safetensors"));
// const { input_ids } = tokenizer(question, { add_special_tokens: false });
// const ids = await generateAfter(model, cache, input_ids, { max_new_tokens: 32, do_sample: false });
import { DynamicCache, ones, Tensor } from "@huggingface/transformers";

/** @returns {{ entries: Record<string, Tensor>, rows: number, position: number }} `position` is the next token's: kept rows have gaps. */
export function readCache(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dataStart = 8 + Number(view.getBigUint64(0, true));
  const { __metadata__: facts, ...tensors } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, dataStart)));
  const entries = {};
  for (const [
    name,
    {
      shape,
      data_offsets: [start, end],
    },
  ] of Object.entries(tensors)) {
    const [, layer, kind] = name.split(".");
    // Of a Buffer, slice() would be a view of a larger buffer.
    const data = new Float32Array(Uint8Array.prototype.slice.call(bytes, dataStart + start, dataStart + end).buffer);
    entries[`past_key_values.${layer}.${kind === "k" ? "key" : "value"}`] = new Tensor("float32", data, shape);
  }
  return { entries, rows: Number(facts.rows), position: Number(facts.context_length) };
}

/** New token ids after the cache and `inputIds` [1, n]; options are those of `generate()`. The cache may be used again. */
export async function generateAfter(model, { entries, rows, position }, inputIds, options) {
  const forward = model.forward;
  // generate() would count positions by rows.
  model.forward = function (inputs) {
    const { dims } = inputs.input_ids;
    const first = position + inputs.past_key_values.get_seq_length() - rows;
    const positions = BigInt64Array.from({ length: dims[1] }, (_, i) => BigInt(first + i));
    return forward.call(this, { ...inputs, position_ids: new Tensor("int64", positions, dims) });
  };
  try {
    const count = inputIds.dims[1];
    const out = await model.generate({
      ...options,
      input_ids: inputIds,
      attention_mask: ones([1, rows + count]),
      past_key_values: new DynamicCache(entries),
    });
    return Array.from(out.tolist()[0].slice(count), Number);
  } finally {
    model.forward = forward;
  }
}
