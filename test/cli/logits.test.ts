import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { logProbabilities } from "../../src/generate/sample.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { useTempHome } from "../models/temp-home.ts";
import { wideModel } from "../models/wide-model.ts";
import { CLI_TIME, runCli } from "./run-cli.ts";

const files = useTempHome();

interface Printed {
  readonly ids: readonly number[];
  readonly next: readonly { readonly id: number; readonly logProb: number }[];
}

describe.each(["llama", "gpt2"])("logits of a tiny %s", { timeout: CLI_TIME }, (name) => {
  const path = tinyModel(name);

  test("one line: the ids and the 20 likeliest of all, highest first", async () => {
    const run = await runCli(["logits", "--model", path, "--ids", "1,2,3", "--json"]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout).toMatch(/^[^\n]+\n$/);
    const printed = JSON.parse(run.stdout) as Printed;
    expect(Object.keys(printed)).toEqual(["ids", "next"]);
    expect(printed.ids).toEqual([1, 2, 3]);

    const model = await loadModel(path);
    const cache = await model.newCache();
    const { data } = await model.forward({ ids: [1, 2, 3], cache, logitRows: [2] });
    await model.close();
    const all = [...logProbabilities(data)].map((logProb, id) => ({ id, logProb }));
    const expected = all.sort((a, b) => b.logProb - a.logProb || a.id - b.id).slice(0, 20);
    expect(printed.next.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
    printed.next.forEach(({ logProb }, i) => {
      expect(logProb).toBeCloseTo(expected[i]?.logProb ?? NaN, 4);
    });
  });

  test("text as it stands: special tokens recognised, none added", async () => {
    const model = await loadModel(path);
    const { tokenizer } = model.files;
    await model.close();
    const special = Array.from({ length: tokenizer.idLimit }, (_, id) => id).find((id) => tokenizer.isSpecial(id));
    const word = special === undefined ? "" : tokenizer.decode([special], { skipSpecial: false });
    const text = ` the${word} mat\n`;
    const run = await runCli(["logits", "--model", path, "--text", text, "--json"]);
    const { ids } = JSON.parse(run.stdout) as Printed;
    expect(ids).toEqual(tokenizer.encode(text, { special: "parse" }));
    if (special !== undefined) expect(ids).toContain(special);
  });
});

test("in 8 bits nearly the same, which stderr tells", { timeout: CLI_TIME }, async () => {
  const path = await wideModel("qwen2", join(files.work(), "wide"));
  const ids = Array.from({ length: 40 }, (_, i) => i + 1).join(",");
  const [exact, rounded] = [
    await runCli(["logits", "--model", path, "--ids", ids, "--json"]),
    await runCli(["logits", "--model", path, "--ids", ids, "--json", "--precision", "int8"]),
  ];
  expect([exact.code, rounded.code, exact.stderr]).toEqual([0, 0, ""]);
  expect(rounded.stderr).toMatch(/computed in int8: reads and answers in 8 bits/);
  const [a, b] = [exact, rounded].map(({ stdout }) => JSON.parse(stdout) as Printed);
  expect(b?.next).not.toEqual(a?.next);
  expect(b?.next[0]?.logProb).toBeCloseTo(a?.next[0]?.logProb ?? NaN, 0);
});

test("a table for people, control characters written out", { timeout: CLI_TIME }, async () => {
  const run = await runCli(["logits", "--model", tinyModel("llama"), "--ids", "1,2,3"]);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  const rows = run.stdout.trimEnd().split("\n");
  expect(rows).toHaveLength(20 + 4);
  expect(rows[1]).toMatch(/id .* token .* log prob/);
  expect(run.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

test("an empty text is refused", { timeout: CLI_TIME }, async () => {
  const run = await runCli(["logits", "--model", tinyModel("llama"), "--text", ""]);
  expect(run).toMatchObject({ code: 1, stdout: "" });
  expect(run.stderr).toMatch(/no tokens to read/);
});
