import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { openModel } from "../../../src/models/open.ts";
import { listModels } from "../../../src/models/pull/list-models.ts";
import { elementsOf } from "./elements.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { damagedFiles, type Files, filesCase, golden } from "../make/case.ts";
import { ggufParts } from "../make/gguf-parts.ts";
import { treeOf } from "../make/json-tree.ts";
import { mutateParts, partsBytes } from "../make/parts.ts";
import { mutateSafetensors, safetensorsParts } from "../make/safetensors-parts.ts";
import { mutateJson } from "../make/text.ts";
import { type Case, must, type Target } from "../target.ts";

const FOLDER_FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"] as const;
/** Of the damages of a whole model one in so many is tried: it is read to its last weight each time. */
const DAMAGES_APART = 97;

/** Models as the loader opens them, converted copy and all: a folder with one of its files damaged, and a GGUF file. */
export const modelFiles: Target = {
  name: "model-files",
  share: 6,
  open: async (scratch) => {
    const home = await homeIn(scratch);
    const whole: Files = Object.fromEntries(FOLDER_FILES.map((name) => [name, golden(`gguf-models/llama/${name}`)]));
    const gguf = golden("gguf-models/llama.gguf");
    const parts = ggufParts(gguf);
    const weights = safetensorsParts(whole["model.safetensors"] ?? new Uint8Array());
    const trees = FOLDER_FILES.slice(0, 3).map((name) => ({
      name,
      tree: treeOf(JSON.parse(Buffer.from(whole[name] ?? "").toString("utf8"))),
    }));
    const input = join(scratch, "input");
    const make = (files: Files, path: (folder: string) => string): Case =>
      filesCase(input, files, async (folder) => home.with(() => checkOpened(path(folder), home.path)));
    const folder = (files: Files): Case => make(files, (path) => path);
    const file = (bytes: Uint8Array): Case => make({ "model.gguf": bytes }, (path) => join(path, "model.gguf"));
    await mkdir(input);
    return {
      make: (dice) => {
        if (dice.chance(0.4))
          return file(dice.chance(0.7) ? partsBytes(mutateParts(parts, dice)) : mutateBytes(gguf, dice));
        if (dice.chance(0.3)) return folder({ ...whole, "model.safetensors": mutateSafetensors(weights, dice) });
        const { name, tree } = dice.pick(trees);
        return folder({ ...whole, [name]: mutateJson(tree, dice) });
      },
      edges: function* () {
        for (const files of damagedFiles(whole, "config.json")) yield folder(files);
        let place = 0;
        for (const bytes of damages(gguf)) if (place++ % DAMAGES_APART === 0) yield file(bytes);
      },
      close: home.close,
    };
  },
};

async function checkOpened(path: string, home: string): Promise<void> {
  try {
    const { config, tokenizer, weights, hash } = await openModel(path);
    must(/^[0-9a-f]{64}$/.test(hash), "a model without a hash");
    must(tokenizer.idLimit <= config.vocabSize, "ids beyond the vocabulary");
    for (const [name, { file, offset, dims }] of weights)
      must(offset + 4 * elementsOf(dims) <= (await stat(file)).size, `${name} reaches beyond its file`);
  } finally {
    const prepared = join(home, "prepared");
    for (const copy of await readdir(prepared).catch(() => []))
      must((await readdir(join(prepared, copy))).includes("model.safetensors"), "half a converted copy is left");
    await rm(home, { recursive: true, force: true });
  }
}

const SOURCE = {
  kind: "huggingface-hub",
  from: "org/model",
  revision: "main",
  commit: "0".repeat(40),
  licence: "apache-2.0",
};

/** What is written beside a pulled model of where it came from. */
export const pulledModels: Target = {
  name: "pulled-models",
  share: 25,
  open: async (scratch) => {
    const home = await homeIn(scratch);
    const tree = treeOf(SOURCE);
    const models = join(home.path, "models");
    const make = (bytes: Uint8Array): Case =>
      filesCase(models, { "org--model/source.json": bytes }, async () =>
        home.with(async () => {
          const [model] = (await listModels()).pulled;
          must(model?.name === "org/model" && model.bytes === bytes.length, "another model");
          const { kind, from } = model.source ?? {};
          must(typeof kind === "string" && typeof from === "string", "no record");
        }),
      );
    await mkdir(models, { recursive: true });
    return {
      make: (dice) => make(mutateJson(tree, dice)),
      edges: function* () {
        for (const bytes of damages(Buffer.from(JSON.stringify(SOURCE)))) yield make(bytes);
      },
      close: home.close,
    };
  },
};

/** A cache folder of the target's own, which the package uses while a case runs. */
async function homeIn(scratch: string): Promise<{
  readonly path: string;
  readonly with: (work: () => Promise<void>) => Promise<void>;
  readonly close: () => Promise<void>;
}> {
  const path = join(scratch, "home");
  await mkdir(path, { recursive: true });
  return {
    path,
    with: async (work) => {
      const before = process.env.KV_DISTILL_HOME;
      process.env.KV_DISTILL_HOME = path;
      try {
        await work();
      } finally {
        if (before === undefined) delete process.env.KV_DISTILL_HOME;
        else process.env.KV_DISTILL_HOME = before;
      }
    },
    close: () => rm(path, { recursive: true, force: true }),
  };
}
