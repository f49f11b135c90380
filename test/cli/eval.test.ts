import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ConditionResult } from "../../src/evaluate/run/summary.ts";
import { jsonLines, ROWS, useRoomyModel } from "../evaluate/tiny-run.ts";
import { CLI_TIME, runCli, type CliRun } from "./run-cli.ts";

const { work } = useRoomyModel();

function evaluate(args: readonly string[], situation: Parameters<typeof runCli>[1] = {}): Promise<CliRun> {
  const common = ["eval", "squad", "--model", join(work(), "model"), "--threads", "1"];
  const environment = { KV_DISTILL_HOME: join(work(), "home") };
  return runCli([...common, ...args], { environment, ...situation });
}

async function dataFile(copies = 1): Promise<string> {
  const path = join(work(), `data-${copies}.jsonl`);
  const rows = Array.from({ length: copies }, (_, copy) =>
    ROWS.map((row) => ({ ...row, id: `${copy}-${row.id}`, context: `${copy} ${row.context}` })),
  );
  await writeFile(path, jsonLines(rows.flat()));
  return path;
}

function resultsOf({ stdout }: CliRun): ConditionResult[] {
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  return (JSON.parse(last) as { results: ConditionResult[] }).results;
}

describe("kv-distill eval squad", { timeout: 2 * CLI_TIME, concurrent: false }, () => {
  test("--json: the last line of stdout holds the results; the table goes to stderr", async () => {
    const args = ["--data", await dataFile(), "--limit", "5", "--keep", "50%,25%", "--max-new-tokens", "3"];
    const run = await evaluate([...args, "--methods", "full,none,h2o", "--json"]);
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^\{"results":\[.*\]\}\n$/);
    expect(run.stderr).toMatch(/5 questions about 3 passages\n[^]*gold in answer[^]*h2o[^]*Intervals: 95%/);
    const results = resultsOf(run);
    expect(results.map(({ method, keep }) => [method, keep])).toEqual([
      ["full", 1],
      ["none", expect.any(Number)],
      ["h2o", 0.5],
      ["h2o", 0.25],
    ]);
    for (const { goldInAnswer, em, f1, n, forwardKl } of results) {
      expect(n).toBe(5);
      for (const percent of [goldInAnswer, em, f1]) {
        expect(percent).toBeGreaterThanOrEqual(0);
        expect(percent).toBeLessThanOrEqual(100);
      }
      expect(forwardKl).toBeGreaterThanOrEqual(0);
    }
  });

  test("for people: the table on stdout; a missing ceiling is told", async () => {
    const run = await evaluate(["--data", await dataFile(), "--limit", "1", "--methods", "none,streaming"]);
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/1 question about 1 passage\n[^]*streaming/);
    expect(run.stderr).toMatch(/warn: without the method full the figures have no ceiling/);
  });

  test("all faults of the command line at once", async () => {
    const wrong = [
      "--methods",
      "full,h3o,snap,full",
      "--keep",
      "0%",
      "--limit",
      "0",
      "--max-new-tokens",
      "x",
      "--reuse",
      "a,,b",
    ];
    const run = await runCli(["eval", "squad", ...wrong]);
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toMatch(/--reuse: expected folders, separated by commas; got "a,,b"/);
    expect(run.stderr).toMatch(/--methods: expected some of full, none, .*; got "h3o", "snap", "full" twice/);
    for (const name of ["--keep", "--limit", "--max-new-tokens", "--data"]) expect(run.stderr).toContain(`- ${name}`);

    const together = await runCli(["eval", "squad", "--data", "x", "--methods", "kv-distill", "--resume"]);
    expect(together.code).toBe(2);
    expect(together.stderr).toMatch(/--resume needs --out/);
  });

  test("each task has its own options; no task is told with those that there are", async () => {
    const [unknown, none, foreign] = [
      await runCli(["eval", "quiz", "--data", "x"]),
      await runCli(["eval"]),
      await runCli(["eval", "squad", "--lengths", "512", "--haystack", "x"]),
    ];
    expect(unknown).toMatchObject({ code: 2, stdout: "" });
    expect(unknown.stderr).toContain("unknown command 'quiz'");
    expect(none.code).toBe(2);
    expect(none.stderr).toMatch(/squad [^]*quality [^]*needle [^]*fidelity /);
    expect(foreign.stderr).toMatch(
      /unknown option "--lengths"[^]*unknown option "--haystack"[^]*--data <file>: missing/,
    );
    const needle = await runCli(["eval", "needle", "--haystack", "x", "--lengths", "9", "--answer", "no such thing"]);
    expect(needle.stderr).toMatch(/--answer: the needle does not contain it/);
  });

  test("Ctrl-C ends cleanly; --resume goes on to what the straight run gives", async () => {
    const args = ["--data", await dataFile(12), "--methods", "full,random", "--max-new-tokens", "4", "--json"];
    const out = join(work(), "stopped");
    const stopped = await evaluate([...args, "--out", out], {
      environment: { KV_DISTILL_HOME: join(work(), "home") },
      meanwhile: (child) => {
        void (async () => {
          const size = (): Promise<number> =>
            stat(join(out, "samples.jsonl")).then(
              ({ size }) => size,
              () => 0,
            );
          while (child.exitCode === null && (await size()) === 0) await sleep(5);
          child.kill("SIGINT");
        })();
      },
    });
    expect(stopped).toMatchObject({ code: 130, stdout: "" });
    expect(stopped.stderr).toMatch(/the evaluation was stopped; \d+ of 192 answers are there[^]*--resume/);
    const before = await readFile(join(out, "samples.jsonl"), "utf8");
    expect(before.endsWith("\n")).toBe(true);

    const [resumed, straight] = [await evaluate([...args, "--out", out, "--resume"]), await evaluate(args)];
    expect(resumed.stderr).toMatch(/\d+ of 192 answers are there/);
    const timeless = (run: CliRun): unknown[] => resultsOf(run).map((one) => ({ ...one, secondsPerQuestion: 0 }));
    expect(timeless(resumed)).toEqual(timeless(straight));
    expect((await readFile(join(out, "samples.jsonl"), "utf8")).startsWith(before)).toBe(true);
  });
});
