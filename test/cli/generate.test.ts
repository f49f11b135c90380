import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generate } from "../../src/generate/generate.ts";
import { chatPromptIds } from "../../src/models/chat-prompt.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { openModel } from "../../src/models/open.ts";
import { printable } from "../../src/util/printable.ts";
import { useTempHome } from "../models/temp-home.ts";
import { editJson, rewrite, tinyModel } from "../models/tiny-models.ts";
import { CLI_TIME, expectBeginning, runCli, stopAtFirstPiece } from "./run-cli.ts";

const { work } = useTempHome();
const llama = tinyModel("llama");

async function expectedText(prompt: string, seed: number, maxTokens: number): Promise<string> {
  const model = await loadModel(llama);
  const promptIds = model.files.tokenizer.encode(prompt, { special: "parse" });
  let text = "";
  const sampling = { temperature: 0.9, topP: 0.8 };
  for await (const piece of generate(model, { promptIds, maxTokens, sampling, seed })) text += piece;
  await model.close();
  return text;
}

describe("generate", { timeout: CLI_TIME }, () => {
  const drawn = ["generate", "--model", llama, "--raw", "-n", "24", "--temperature", "0.9", "--top-p", "0.8"];

  test("draws what the library draws with the same seed, 0 included; stdin is the prompt for -", async () => {
    const asked = ["--json", "--seed", "0"];
    const one = await runCli([...drawn, ...asked, "the mat"]);
    const two = await runCli([...drawn, ...asked, "-"], { stdin: "the mat" });
    const three = await runCli([...drawn, "--json", "--seed", "1", "the mat"]);
    expect(one).toMatchObject({ code: 0, stderr: "" });
    const textOf = (stdout: string): unknown => (JSON.parse(stdout) as { text: unknown }).text;
    expect(textOf(one.stdout)).toBe(await expectedText("the mat", 0, 24));
    expect(textOf(two.stdout)).toBe(textOf(one.stdout));
    expect(textOf(three.stdout)).not.toBe(textOf(one.stdout));
    expect(JSON.parse(one.stdout)).toMatchObject({ finish: "length", tokens: 24, ids: { length: 24 } });
  });

  test("text on stdout with control characters written out, speed on stderr", async () => {
    const run = await runCli([...drawn, "--seed", "0", "the mat"]);
    const text = printable(await expectedText("the mat", 0, 24));
    expect(run.code).toBe(0);
    expect(run.stdout).toBe(text.endsWith("\n") ? text : `${text}\n`);
    expect(run.stderr).toMatch(/^\d+ prompt tokens, first token after .*; 24 tokens in .*, .* tokens\/s\n$/);
  });

  test("streams: stopped at the first piece, it has written a beginning of the text", async () => {
    const long = ["generate", "--model", llama, "--raw", "-n", "100", "--seed", "0", "--temperature", "0.9", "the mat"];
    const whole = await runCli(long);
    const stopped = await runCli(long, stopAtFirstPiece());
    expect(whole.code).toBe(0);
    expect(stopped.code).not.toBe(0);
    expectBeginning(stopped.stdout, whole.stdout);
  });

  test("without --raw the chat template is applied; a model without one is refused", async () => {
    const files = await openModel(llama);
    const run = await runCli(["generate", "--model", llama, "-n", "1", "--json", "the mat"]);
    expect(JSON.parse(run.stdout)).toMatchObject({ promptTokens: chatPromptIds(files, "the mat").length });
    expect(chatPromptIds(files, "the mat")).not.toEqual(files.tokenizer.encode("the mat", { special: "parse" }));

    const base = await rewrite(llama, join(work(), "base"));
    await editJson(join(base, "tokenizer_config.json"), (json) => delete json.chat_template);
    const refused = await runCli(["generate", "--model", base, "the mat", "--json"]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(refused.stderr)).toMatchObject({
      error: { code: "unsupported", hint: expect.stringMatching(/--raw/) as string },
    });
  });
});
