import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

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

/** Time for tests that start the command line, on a busy machine. */
export const CLI_TIME = 120_000;

/** Runs the command line from its sources. */
export async function runCli(args: readonly string[], situation: CliSituation = {}): Promise<CliRun> {
  const child = startCli(args, situation.environment);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  if (situation.stdin !== undefined) child.stdin.end(situation.stdin);
  situation.meanwhile?.(child);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  child.stdin.destroy();
  return { code, stdout, stderr };
}

function startCli(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const env = { ...process.env, ...environment };
  return spawn(process.execPath, ["--import", tsx, main, ...args], { stdio: ["pipe", "pipe", "pipe"], env });
}
