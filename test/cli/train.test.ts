import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test, vi } from "vitest";
import { readRunConfig, readRunRecord } from "../../src/train/run-files.ts";
import { tempFolder } from "../train/temp-folder.ts";
import { writeTinyData, writeTinyLlama } from "../train/tiny-run.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });

const folder = tempFolder();
const out = join(folder, "run with space");
let begin: string[];

beforeAll(async () => {
  const model = await writeTinyLlama(folder);
  const data = await writeTinyData(folder);
  const tiny = [
    "--rank",
    "2",
    "--eta",
    "1",
    "--sinks",
    "2",
    "--min-context",
    "4",
    "--batch",
    "2",
    "--micro-batch",
    "2",
  ];
  begin = ["train", "--model", model, "--data", data, "--steps", "100000", "--checkpoint-every", "100000", ...tiny];
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const env = { ...process.env, KV_DISTILL_HOME: join(folder, "home"), KV_DISTILL_LOG: "info" };
  const child = spawn(process.execPath, ["--import", "tsx", main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (text.stdout += piece));
  child.stderr.setEncoding("utf8").on("data", (piece: string) => (text.stderr += piece));
  const ended = once(child, "close").then(([code]) => ({ ...text, code: code as number | null }));
  return { child, ended };
}

async function stepsDone(): Promise<number> {
  const text = await readFile(join(out, "metrics.jsonl"), "utf8").catch(() => "");
  return text.split("\n").length - 1;
}

async function untilSteps(count: number): Promise<void> {
  while ((await stepsDone()) < count) await sleep(20);
}

test("Ctrl-C finishes the step, saves, says how to go on and ends with 130; --resume goes on; twice ends at once", async () => {
  const first = start(...begin, "--seed", "0", "--out", out);
  await untilSteps(2);
  first.child.kill("SIGINT");
  const stopped = await first.ended;
  expect(stopped.code).toBe(130);
  expect(stopped.stderr).toContain(`kv-distill train --resume --out '${out}'`);
  expect(stopped.stdout).toContain("forward KL");
  const done = await stepsDone();
  expect(await readdir(join(out, "checkpoints"))).toContain(`step-${done}`);
  expect(await readRunConfig(out)).toMatchObject({ steps: 100_000, rank: 2, seed: 0 });

  const second = await start("train", "--resume", "--out", out, "--minutes", "0.0001", "--json").ended;
  expect(second.code).toBe(0);
  const summary = JSON.parse(second.stdout) as { step: number; finished: boolean };
  expect(summary).toMatchObject({ step: done + 1, finished: false, steps: 100_000, session: { steps: 1 } });
  const { sessions } = await readRunRecord(out);
  expect(sessions.map(({ fromStep }) => fromStep)).toEqual([0, done]);
  expect(sessions[1]?.command).toEqual(["train", "--resume", "--out", out, "--minutes", "0.0001", "--json"]);

  const third = start("train", "--resume", "--out", out);
  await untilSteps(summary.step + 1);
  third.child.kill("SIGINT");
  third.child.kill("SIGTERM");
  expect((await third.ended).code).toBeGreaterThanOrEqual(130);
  const saved = (await readdir(join(out, "checkpoints"))).filter((name) => name.startsWith("step-"));
  expect(saved.sort()).toEqual([`step-${done}`, `step-${summary.step}`].sort());
});

test("every fault of the command line at once, before anything is opened", async () => {
  const { code, stderr, stdout } = await start("train", "--rank", "x", "--lamda", "1", "--gate", "soft").ended;
  expect(code).toBe(2);
  expect(stdout).toBe("");
  for (const fault of ["--rank", "did you mean --lambda?", "--gate", "--out"]) expect(stderr).toContain(fault);
  const settings = await start("train", "--out", out, "--rank", "0", "--steps", "0", "--keep-low", "0.9").ended;
  expect(settings.code).toBe(2);
  for (const fault of ["--data", "steps:", "rank:", "keepLow"]) expect(settings.stderr).toContain(fault);
});
