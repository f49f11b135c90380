import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Comparison } from "../../src/evaluate/report/compare-runs.ts";
import { useFolder, writeRun } from "../evaluate/report/stored-run.ts";
import { runCli } from "./run-cli.ts";

const folder = useFolder();

test("writes the page and plots beside it; the table goes to stdout, or what was written as JSON", async () => {
  const at = join(folder(), "run");
  await writeRun(at, { questions: 50 });
  const run = await runCli(["report", at]);
  expect(run).toMatchObject({ code: 0 });
  expect(run.stdout).toMatch(/kv-distill[^]*Intervals: 95%/);
  expect(run.stderr).toMatch(
    /40 of 50 questions are in the page; --samples shows others[^]*wrote .*report\.html and 4 plots/,
  );
  expect((await stat(join(at, "report.html"))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(at, "forward-kl-bytes.svg"), "utf8")).toMatch(/^<svg/);

  const page = join(folder(), "not there yet", "page.html");
  const json = await runCli(["report", at, "--out", page, "--samples", "41-80", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ page, samples: { shown: 10, of: 50 }, missing: [] });
  expect(await readFile(page, "utf8")).toContain("Questions 41 to 50 of 50");
});

test("--compare: both runs and their difference, for people and for machines; other data is refused", async () => {
  const [a, b, other] = ["a", "b", "other"].map((name) => join(folder(), name));
  await writeRun(a ?? "");
  await writeRun(b ?? "", { row: () => ({ goldInAnswer: 1 }) });
  await writeRun(other ?? "", { identity: { dataSha256: "0" } });
  const page = join(folder(), "nor there", "compared.html");
  const run = await runCli(["report", "--compare", a ?? "", b ?? "", "--out", page]);
  expect(run).toMatchObject({ code: 0 });
  expect(run.stdout).toMatch(/B less A[^]*kv-distill 25%[^]*\+50\.0 \([^]*6 questions and 6 conditions are in both/);
  expect(await readFile(page, "utf8")).toContain("B less A");
  const json = await runCli(["report", a ?? "", b ?? "", "--compare", "--json"]);
  const { conditions } = JSON.parse(json.stdout) as Comparison;
  expect(conditions.at(-1)?.measures.goldInAnswer).toMatchObject({
    a: { mean: 50 },
    b: { mean: 100 },
    difference: { mean: 50 },
  });
  const refused = await runCli(["report", "--compare", a ?? "", other ?? ""]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/did not ask the same[^]*dataSha256: d+ and 0/);
});

test("faults of the command line", async () => {
  const two = await runCli(["report", "a", "b", "--samples", "9-3"]);
  expect(two).toMatchObject({ code: 2, stdout: "" });
  expect(two.stderr).toMatch(/--samples: expected a number, such as 40[^]*got "9-3"/);
  expect((await runCli(["report", "a", "b"])).stderr).toContain("one run, or two with --compare; got 2");
  expect((await runCli(["report", "a", "--compare"])).stderr).toContain("--compare takes two runs, got 1");
  const none = await runCli(["report", folder()]);
  expect(none.code).toBe(1);
  expect(none.stderr).toMatch(/there is no evaluation[^]*eval --out/);
});
