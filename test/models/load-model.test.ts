import { describe, expect, test } from "vitest";
import { LanguageModel } from "../../src/models/language-model.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { KvDistillError } from "../../src/util/errors.ts";
import { needsNoCuda } from "../runtime/cuda-libraries.ts";
import { errorOf } from "../runtime/expect-error.ts";
import { useTempHome } from "./temp-home.ts";
import { tinyModel } from "./tiny-models.ts";

useTempHome();

test("a loaded model runs on the cpu unless told otherwise", async () => {
  const model = await loadModel(tinyModel("llama"), { threads: 1, onProgress: () => undefined });
  expect([model.runtime.device, model.runtime.threads]).toEqual(["cpu", 1]);
  await model.close();
});

test("a graph that could not be compiled once is compiled when it is asked for again", async () => {
  const model = await loadModel(tinyModel("llama"), { threads: 1 });
  let memory = false;
  const failing = new LanguageModel(model.files, {
    ...model.runtime,
    load: (program) => {
      if (memory) return model.runtime.load(program);
      return Promise.reject(new KvDistillError("out-of-memory", "too little memory"));
    },
  });
  await errorOf(failing.stepProgram({ result: "logits" }), "out-of-memory");
  memory = true;
  const program = await failing.stepProgram({ result: "logits" });
  expect(program.outputs).toContain("logits");
  expect(await failing.stepProgram({ result: "logits" })).toBe(program);
  await model.close();
});

describe("loading fails", () => {
  test("with device-unavailable and a hint for a device that is not there, before the model is touched", async (context) => {
    needsNoCuda(context);
    for (const path of [tinyModel("llama"), "/no/such/model"]) {
      const error = await errorOf(loadModel(path, { device: "cuda" }), "device-unavailable");
      expect(error.message).toContain("the device cuda is not available");
      expect(error.facts.hint).toMatch(/needs an NVIDIA driver.*built in here: .*; cpu always works/);
    }
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["an unknown device", { device: "gpu" }, 'device: expected cpu, webgpu, cuda; got "gpu"'],
    ["no threads", { threads: 0 }, "threads: expected a whole number from 1; got 0"],
    [
      "an option that does not exist",
      { devise: "webgpu" },
      "devise: no such option; there are device, threads, profile",
    ],
  ])("with bad-argument for %s", async (_, options, fault) => {
    const error = await errorOf(loadModel(tinyModel("llama"), options), "bad-argument");
    expect(error.facts.faults).toEqual([fault]);
  });

  test("with not-found for a model that does not exist", async () => {
    await errorOf(loadModel("/no/such/model", { threads: 1 }), "not-found");
  });
});
