import { execFile, spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openModel } from "../../src/models/open.ts";
import { pull } from "../../src/models/pull/pull.ts";
import { type HubStandIn, readRepo, startHub } from "./hub-stand-in.ts";
import { useTempHome } from "./temp-home.ts";
import { tinyModel } from "./tiny-models.ts";

const { home, work } = useTempHome();
const run = promisify(execFile);
const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const TSX = import.meta.resolve("tsx");
const WEIGHTS = "model.safetensors";
let hub: HubStandIn;

beforeEach(async () => {
  hub = await startHub();
  process.env.HF_ENDPOINT = hub.url;
  hub.repos.set("acme/tiny", { files: await readRepo(tinyModel("llama")), licence: "mit" });
});
afterEach(async () => {
  await hub.close();
  delete process.env.HF_ENDPOINT;
});

const listed = (name: string) => readdir(join(home(), name)).catch(() => [] as string[]);
const ranges = () => hub.requests.filter(({ host }) => host === "cdn").map(({ range }) => range);

/** Runs `kv-distill pull` until the hub has sent part of the weights and hangs, then sends the signal. */
async function stopHalfWay(signal: NodeJS.Signals): Promise<{ code: number | null; stdout: string; stderr: string }> {
  hub.fault = ({ host }) => (host === "cdn" ? { kind: "hang", after: 8000 } : undefined);
  const child = spawn(process.execPath, ["--import", TSX, CLI, "pull", "acme/tiny"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const told = { stdout: "", stderr: "" };
  child.stdout.on("data", (text: Buffer) => (told.stdout += text.toString()));
  child.stderr.on("data", (text: Buffer) => (told.stderr += text.toString()));
  const ended = new Promise<number | null>((done) => child.once("exit", done));
  while (!(await halfThere()) && child.exitCode === null) await sleep(20);
  child.kill(signal);
  const code = await ended;
  return { code, ...told };
}

/** Whether the part that the hub sends lies on the disk. */
async function halfThere(): Promise<boolean> {
  for (const name of await listed("downloads")) {
    const bytes = await readFile(join(home(), "downloads", name, WEIGHTS)).catch(() => Buffer.of());
    if (bytes.length === 8000) return true;
  }
  return false;
}

async function expectResumes(): Promise<void> {
  expect(await listed("models")).toEqual([]);
  hub.fault = () => undefined;
  await pull("acme/tiny");
  expect(ranges()).toEqual([undefined, "bytes=8000-"]);
  expect((await openModel("acme/tiny")).hash).toBe((await openModel(tinyModel("llama"))).hash);
  expect(await listed("downloads")).toEqual([]);
}

test("killed with -9 in the middle of a file, the next run goes on from there", { timeout: 120_000 }, async () => {
  expect((await stopHalfWay("SIGKILL")).code).toBeNull();
  expect(await listed("downloads")).toEqual([expect.stringMatching(/\.tmp$/)]);
  await expectResumes();
});

test("Ctrl-C ends with 130, says how to go on, and leaves no model", { timeout: 120_000 }, async () => {
  const { code, stdout, stderr } = await stopHalfWay("SIGINT");
  expect([code, stdout]).toEqual([130, ""]);
  expect(stderr).toContain("[cancelled]");
  expect(stderr).toContain("run it again to go on where it stopped");
  await expectResumes();
});

test("a disk that fills up meanwhile is told, leaves no model, and the part is gone on with", async (context) => {
  const disk = join(work(), "disk");
  await mkdir(disk);
  const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]).then(
    () => true,
    (error: unknown) => {
      console.log(`skipped: no small file system can be mounted here (${String(error).trim()})`);
      return false;
    },
  );
  if (!mounted) context.skip();
  try {
    process.env.KV_DISTILL_HOME = join(disk, "home");
    const filler = join(disk, "filler");
    // Room is found before the download; the filler takes it while the weights are on their way.
    let filled: Promise<void> | undefined;
    hub.fault = ({ host, range }) => {
      if (host === "hub" || filled !== undefined) return undefined;
      filled = writeFile(filler, Buffer.alloc(1 << 20)).catch(() => undefined);
      return range === undefined ? { kind: "cut", after: 0 } : undefined;
    };
    await expect(pull("acme/tiny", { retry: { firstDelaySeconds: 0.2 } })).rejects.toMatchObject({
      code: "disk",
      facts: { got: "ENOSPC" },
    });
    expect(filled).toBeDefined();
    expect(await readdir(join(disk, "home", "models")).catch(() => [])).toEqual([]);
    // Now it is full from the start.
    await expect(pull("acme/tiny")).rejects.toMatchObject({ code: "disk" });
    await rm(filler);
    hub.fault = () => undefined;
    await pull("acme/tiny");
    expect(await readdir(join(disk, "home", "models"))).toEqual(["acme--tiny"]);
  } finally {
    await run("umount", [disk]);
  }
});
