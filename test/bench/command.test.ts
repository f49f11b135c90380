import { expect, test } from "vitest";
import { runCli } from "../cli/run-cli.ts";

test.each([
  [["bench", "trian"], /there is nothing to measure called "trian"; there are train, prefill/],
  [["bench", "train", "--peers", "torch"], /--peers: expected torch-fp32, .*; got "torch"/],
  [["bench", "prefill", "--lengths", "64,64"], /--lengths: expected different numbers of tokens/],
  [["bench", "train", "--profile", "--check"], /--profile goes without --check and --out/],
  [["bench", "precision", "--device", "webgpu"], /"precision" is measured on the processor alone, not on webgpu/],
  [["bench", "train", "--precision", "int9"], /--precision: expected fp32/],
])("%j is a wrong command line", async (args, message) => {
  const { code, stdout, stderr } = await runCli(args);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(message);
});

test("a baseline that is not there is told before anything is measured", async () => {
  const { code, stderr } = await runCli([
    "bench",
    "train",
    "--check",
    "--baseline",
    "/nowhere/baseline.json",
    "--json",
  ]);
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: "not-found" } });
});
