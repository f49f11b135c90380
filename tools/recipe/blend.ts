/**
 * The adapter whose every value lies between those of two others, of which the second was trained from the first; PART 0 is the first, 1 the
 * second. What the second has learnt is kept in good part, what it has unlearnt comes back in good part (arXiv 2109.01903, E34):
 *   node --import tsx tools/recipe/blend.ts FIRST SECOND PART OUT
 */
import { isDeepStrictEqual } from "node:util";
import type { AdapterConfig } from "../../src/cache/adapter.ts";
import { loadAdapter } from "../../src/cache/load-adapter.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";

const [firstFolder = "", secondFolder = "", partText = "", out = ""] = process.argv.slice(2);
const part = Number(partText);
const [first, second] = await Promise.all([loadAdapter(firstFolder), loadAdapter(secondFolder)]);
if (!isDeepStrictEqual(formOf(first.config), formOf(second.config)) || out === "" || !(part >= 0 && part <= 1)) {
  throw new Error("wants two adapters of one form, a part from 0 to 1 and a folder to write");
}

const hash = await saveAdapter(
  out,
  {
    config: second.config,
    lora: new Map(
      [...second.lora].map(([module, { a, b }]) => {
        const from = first.lora.get(module);
        return [module, { a: between(from?.a, a), b: between(from?.b, b) }];
      }),
    ),
    scorer: {
      "fc1.weight": between(first.scorer["fc1.weight"], second.scorer["fc1.weight"]),
      "fc1.bias": between(first.scorer["fc1.bias"], second.scorer["fc1.bias"]),
      "fc2.weight": between(first.scorer["fc2.weight"], second.scorer["fc2.weight"]),
      "fc2.bias": between(first.scorer["fc2.bias"], second.scorer["fc2.bias"]),
    },
  },
  { dtype: "F16" },
);
console.log(hash);

function between(from: Float32Array | undefined, to: Float32Array): Float32Array<ArrayBuffer> {
  if (from?.length !== to.length) throw new Error("the adapters differ in what they hold");
  return Float32Array.from(to, (value, i) => (1 - part) * (from[i] ?? NaN) + part * value);
}

/** What both must share for their values to mean the same. */
function formOf({ createdBy: _, ...form }: AdapterConfig): unknown {
  return form;
}
