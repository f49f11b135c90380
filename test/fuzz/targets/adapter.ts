import { checkAdapter } from "../../../src/cache/check-adapter.ts";
import { loadAdapter } from "../../../src/cache/load-adapter.ts";
import { loadBareAdapter } from "../../../src/cache/load-bare-adapter.ts";
import type { AdapterTargets } from "../../../src/cache/adapter.ts";
import { llamaTargets } from "../../cache/sample-adapter.ts";
import { damagedFiles, type Files, filesCase, golden } from "../make/case.ts";
import type { Dice } from "../make/dice.ts";
import { treeOf } from "../make/json-tree.ts";
import { mutateSafetensors, safetensorsParts } from "../make/safetensors-parts.ts";
import { mutateJson } from "../make/text.ts";
import type { Target } from "../target.ts";

const LORA = "adapter_model.safetensors";
const SCORER = "scorer.safetensors";
const OWN = "kv-distill.json";
const PEFT = "adapter_config.json";

/** Adapter folders, whole and bare. */
export const adapter: Target = {
  name: "adapter",
  share: 30,
  open: (scratch) => {
    const whole = filesOf("adapter/llama", [OWN, PEFT, LORA, SCORER]);
    const bare = filesOf("adapter/bare", [OWN, LORA, SCORER]);
    const mutateWhole = mutator(whole);
    const mutateBare = mutator(bare);
    const makeWhole = (files: Files) =>
      filesCase(scratch, files, async (folder) => {
        checkAdapter(await loadAdapter(folder), "an adapter that was loaded");
      });
    const baseModel = { name: "tiny", hash: "a".repeat(64) };
    const targets: AdapterTargets = llamaTargets;
    const makeBare = (files: Files) =>
      filesCase(scratch, files, async (folder) => {
        checkAdapter(await loadBareAdapter(folder, { baseModel, targets }), "a bare adapter that was loaded");
      });
    return Promise.resolve({
      make: (dice) => (dice.chance(0.75) ? makeWhole(mutateWhole(dice)) : makeBare(mutateBare(dice))),
      edges: function* () {
        for (const name of [OWN, PEFT, LORA, SCORER])
          for (const files of damagedFiles(whole, name)) yield makeWhole(files);
        for (const files of damagedFiles(bare, OWN)) yield makeBare(files);
      },
      close: () => Promise.resolve(),
    });
  },
};

function filesOf(folder: string, names: readonly string[]): Files {
  return Object.fromEntries(names.map((name) => [name, golden(`${folder}/${name}`)]));
}

/** Something wrong in one file, or in two. */
function mutator(files: Files): (dice: Dice) => Files {
  const edits = Object.entries(files).map(([name, bytes]) => {
    if (name.endsWith(".json")) {
      const tree = treeOf(JSON.parse(Buffer.from(bytes).toString("utf8")));
      return (dice: Dice): Files => ({ [name]: mutateJson(tree, dice) });
    }
    const parts = safetensorsParts(bytes);
    return (dice: Dice): Files => ({ [name]: mutateSafetensors(parts, dice) });
  });
  return (dice) => {
    const one = { ...files, ...dice.pick(edits)(dice) };
    if (dice.chance(0.05)) return Object.fromEntries(Object.entries(one).filter(() => !dice.chance(0.3)));
    return dice.chance(0.2) ? { ...one, ...dice.pick(edits)(dice) } : one;
  };
}
