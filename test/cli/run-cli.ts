import { spawn } from "node:child_process";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { runCli as runInThisProcess } from "../../src/cli/run.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const tsx = import.meta.resolve("tsx");

export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliSituation {
  /** Written to stdin, which is then ended. Without it stdin stays open and empty. */
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Called with the running command. */
  readonly meanwhile?: (child: ReturnType<typeof startCli>) => void;
}

/** Time for tests that run the command line, on a busy machine. */
export const CLI_TIME = 120_000;

/**
 * Runs a command line from its sources, on streams that are no terminal: in this process, which is quick, or, where a
 * situation is given, in a process of its own.
 */
export function runCli(args: readonly string[], situation?: CliSituation): Promise<CliRun> {
  return situation === undefined ? runHere(args) : runInChild(args, situation);
}

async function runHere(args: readonly string[]): Promise<CliRun> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const written = Promise.all([text(stdout), text(stderr)]);
  // Nothing is used of a terminal's stream that these lack.
  const code = await runInThisProcess(args, { stdout, stderr } as unknown as Parameters<typeof runInThisProcess>[1]);
  stdout.end();
  stderr.end();
  const [out, err] = await written;
  return { code, stdout: out, stderr: err };
}

async function runInChild(args: readonly string[], { stdin, environment, meanwhile }: CliSituation): Promise<CliRun> {
  const child = startCli(args, environment);
  const written = Promise.all([text(child.stdout).catch(() => ""), text(child.stderr)]);
  if (stdin !== undefined) child.stdin.end(stdin);
  meanwhile?.(child);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  child.stdin.destroy();
  const [out, err] = await written;
  return { code, stdout: out, stderr: err };
}

/** Stops a command as soon as something of its answer is there. */
export function stopAtFirstPiece(): CliSituation {
  return { stdin: "", meanwhile: (child) => child.stdout.once("data", () => child.kill("SIGINT")) };
}

/** What was written before a command was stopped: something, but not all. */
export function expectBeginning(part: string, whole: string): void {
  const text = part.trimEnd();
  expect(text).not.toBe("");
  expect(whole.startsWith(text)).toBe(true);
  expect(text.length).toBeLessThan(whole.trimEnd().length);
}

function startCli(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const env = { ...process.env, ...environment };
  return spawn(process.execPath, ["--import", tsx, main, ...args], { stdio: ["pipe", "pipe", "pipe"], env });
}
