import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { EvalConfig } from "../../src/evaluate/run/config.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { openModel } from "../../src/models/open.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { editJson, rewrite, tinyModel } from "../models/tiny-models.ts";

/** Tokens that the model of `useRoomyModel` reads. */
export const ROOM = 400;

/** A tiny random Llama with room for a passage and a question, or for as many tokens as asked, and a folder, for all tests of a file. */
export function useRoomyModel(room = ROOM): { readonly model: () => LanguageModel; readonly work: () => string } {
  let root = "";
  let model: LanguageModel | undefined;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "kv-distill-evaluate-"));
    const folder = await rewrite(tinyModel("llama"), join(root, "model"), (weights) => {
      // Larger weights than a fresh model's, so that what is read matters to what is said.
      for (const { values } of weights.values()) values.forEach((value, i) => (values[i] = 4 * value));
    });
    await editJson(join(folder, "config.json"), (config) => {
      config.max_position_embeddings = room;
    });
    const before = process.env.KV_DISTILL_HOME;
    process.env.KV_DISTILL_HOME = join(root, "home");
    try {
      model = new LanguageModel(await openModel(folder), await createRuntime({ threads: 1 }));
    } finally {
      if (before === undefined) delete process.env.KV_DISTILL_HOME;
      else process.env.KV_DISTILL_HOME = before;
    }
  });
  afterAll(async () => {
    await model?.close();
    await rm(root, { recursive: true, force: true });
  });
  return {
    model: () => {
      if (model === undefined) throw new Error("the model is opened before the tests run");
      return model;
    },
    work: () => root,
  };
}

interface Row {
  readonly id: string;
  readonly context: string;
  readonly question: string;
  readonly answers: readonly string[];
}

/** Four passages with 2, 1, 3 and 2 questions; gold answers that a random model hits now and then. */
export const ROWS: readonly Row[] = [
  ["The mill burned in 1901.", "When?", "1901"],
  ["The mill burned in 1901.", "What burned?", "mill"],
  ["Ann sells red apples, they say.", "Who?", "n"],
  ["Rain fell on the old town for days.", "Where?", "o"],
  ["Rain fell on the old town for days.", 'What "fell",\nthen?', "Rain"],
  ["Rain fell on the old town for days.", "How long?", "d"],
  ["A fox and a hare met by the river.", "Who met?", "e"],
  ["A fox and a hare met by the river.", "By what?", "the river"],
].map(([context = "", question = "", answer = ""], i) => ({
  id: `q${i}`,
  context,
  question,
  answers: [answer, answer.toUpperCase()],
}));

export function jsonLines(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

export const CONFIG: EvalConfig = {
  limit: null,
  methods: ["full", "none", "random", "streaming", "h2o"],
  keeps: [0.5, 0.25],
  seed: 0,
  maxNewTokens: 6,
};
