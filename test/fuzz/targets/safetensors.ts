import { parseSafetensorsHeader } from "../../../src/formats/safetensors/header.ts";
import { SAFETENSORS_DTYPES } from "../../../src/formats/safetensors/dtypes.ts";
import { SAFETENSORS_LIMITS } from "../../../src/formats/safetensors/limits.ts";
import { readTensorBytes, readTensorFloats, readTensorIntegers } from "../../../src/formats/safetensors/read.ts";
import { openSafetensorsFolder } from "../../../src/formats/safetensors/sharded.ts";
import { damages } from "../make/bytes.ts";
import { bytesCase, damagedFiles, type Files, filesCase, golden, goldenJson } from "../make/case.ts";
import { mutateTree, printTree, treeOf } from "../make/json-tree.ts";
import { mutateSafetensors, safetensorsParts } from "../make/safetensors-parts.ts";
import { mutateJson } from "../make/text.ts";
import { must, type Target } from "../target.ts";
import { elementsOf } from "./elements.ts";

/** The header of a safetensors file in memory. */
export const safetensorsHeader: Target = {
  name: "safetensors-header",
  share: 180,
  open: () => {
    const { header, data } = safetensorsParts(golden("safetensors/all.safetensors"));
    const check = (bytes: Uint8Array): void => {
      const { tensors } = parseSafetensorsHeader(bytes, data.length, "file", SAFETENSORS_LIMITS);
      let covered = 0;
      for (const { name, dtype, shape, begin, end } of tensors) {
        must(begin === covered, `tensor ${name} does not follow the one before`);
        must(elementsOf(shape) * SAFETENSORS_DTYPES[dtype].bytes === end - begin, `bytes of tensor ${name}`);
        covered = end;
      }
      must(covered === data.length, "the tensors are not the data");
    };
    return Promise.resolve({
      make: (dice) =>
        bytesCase(
          dice.chance(0.1) ? mutateJson(header, dice) : Buffer.from(printTree(mutateTree(header, dice))),
          check,
        ),
      edges: function* () {
        for (const bytes of damages(Buffer.from(printTree(header)))) yield bytesCase(bytes, check);
      },
      close: () => Promise.resolve(),
    });
  },
};

const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
const INDEX = "model.safetensors.index.json";

/** Folders of weights, in one file or in shards with an index. */
export const safetensorsFolder: Target = {
  name: "safetensors-folder",
  share: 30,
  open: (scratch) => {
    const single = { "model.safetensors": golden("safetensors/all.safetensors") };
    const parts = safetensorsParts(single["model.safetensors"]);
    const sharded: Files = Object.fromEntries(
      [INDEX, ...SHARDS].map((name) => [name, golden(`safetensors/sharded/${name}`)]),
    );
    const index = treeOf(goldenJson(`safetensors/sharded/${INDEX}`));
    const shards = SHARDS.map((name) => safetensorsParts(sharded[name] ?? new Uint8Array()));
    const make = (files: Files) =>
      filesCase(scratch, files, async (folder) => checkWeights(await openSafetensorsFolder(folder)));
    return Promise.resolve({
      make: (dice) => {
        if (dice.chance(0.5)) return make({ "model.safetensors": mutateSafetensors(parts, dice) });
        if (dice.chance(0.6)) return make({ ...sharded, [INDEX]: mutateJson(index, dice) });
        const which = dice.below(2);
        const shard = shards[which];
        const name = SHARDS[which];
        return make(
          shard === undefined || name === undefined ? sharded : { ...sharded, [name]: mutateSafetensors(shard, dice) },
        );
      },
      edges: function* () {
        for (const files of damagedFiles(single, "model.safetensors")) yield make(files);
        for (const name of [INDEX, SHARDS[0]]) for (const files of damagedFiles(sharded, name)) yield make(files);
      },
      close: () => Promise.resolve(),
    });
  },
};

async function checkWeights(weights: Awaited<ReturnType<typeof openSafetensorsFolder>>): Promise<void> {
  for (const entry of weights.values()) {
    const { name, dtype, shape } = entry;
    const bytes = await readTensorBytes(entry);
    must(bytes.length === elementsOf(shape) * SAFETENSORS_DTYPES[dtype].bytes, `bytes of ${name}`);
    const values =
      /^B?F/.test(dtype) && dtype !== "BOOL" ? await readTensorFloats(entry) : await readTensorIntegers(entry);
    must(values.length === elementsOf(shape), `elements of ${name}`);
  }
}
