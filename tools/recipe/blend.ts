/**
 * The adapter whose every value lies between those of two others, of which the second was trained from the first; PART 0 is the first, 1 the
 * second. What the second has learnt is kept in good part, what it has unlearnt comes back in good part (arXiv 2109.01903, E34):
 *   node --import tsx tools/recipe/blend.ts FIRST SECOND PART OUT
 */
import { isDeepStrictEqual } from "node:util";
import type { Adapter, Scorer } from "../../src/cache/adapter.ts";
import { loadAdapter } from "../../src/cache/load-adapter.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";

const [firstFolder = "", secondFolder = "", partText = "", out = ""] = process.argv.slice(2);
const part = Number(partText);
const [first, second] = await Promise.all([loadAdapter(firstFolder), loadAdapter(secondFolder)]);
if (!isDeepStrictEqual(formOf(first), formOf(second)) || out === "" || !(part >= 0 && part <= 1)) {
  throw new Error("wants two adapters of one form, a part from 0 to 1 and a folder to write");
}

const names = Object.keys(first.scorer) as (keyof Scorer)[];
const hash = await saveAdapter(
  out,
  {
    config: second.config,
    lora: new Map(
      [...second.lora].map(([module, { a, b }]) => {
        const other = first.lora.get(module) ?? { a, b };
        return [module, { a: between(other.a, a), b: between(other.b, b) }];
      }),
    ),
    scorer: Object.fromEntries(
      names.map((name) => [name, between(first.scorer[name], second.scorer[name])]),
    ) as unknown as Scorer,
  },
  { dtype: "F16" },
);
console.log(hash);

function between(from: Float32Array<ArrayBuffer>, to: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return Float32Array.from(to, (value, i) => (1 - part) * (from[i] ?? value) + part * value);
}

/** What both must share for their values to mean the same. */
function formOf({ config: { createdBy: _, ...form }, lora }: Adapter): unknown {
  return { form, modules: [...lora.keys()] };
}
