import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pathExists } from "../../src/util/path-exists.ts";
import { VERSION } from "../../src/util/version.ts";
import { runCli } from "../cli/run-cli.ts";
import { tinyModel } from "../models/tiny-models.ts";

// It is among the slow tests because it installs onnxruntime-node (113 MB, from npm's cache where it is there).

const root = fileURLToPath(new URL("../..", import.meta.url));
const execute = promisify(execFile);
const llama = tinyModel("llama");

let work = "";
/** A person's project that has installed the package. */
let project = "";
let packed: readonly string[] = [];

/** Runs a program; it must end with 0. */
function run(program: string, args: readonly string[], folder: string): Promise<{ stdout: string; stderr: string }> {
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip", KV_DISTILL_HOME: join(work, "home"), NO_COLOR: "1" };
  return execute(program, [...args], { cwd: folder, env, maxBuffer: 1 << 24 });
}

/** The folder that is packed: the sources compiled anew, and every other file that package.json lists. */
async function assemble(folder: string): Promise<void> {
  const { files } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { files: readonly string[] };
  for (const name of ["package.json", "README.md", ...files.filter((file) => file !== "dist")]) {
    if (await pathExists(join(root, name))) await cp(join(root, name), join(folder, name), { recursive: true });
  }
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", join(folder, "dist")], root);
}

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "kv-distill-pack-"));
  const source = join(work, "source");
  project = join(work, "project");
  await mkdir(source);
  await mkdir(project);
  await assemble(source);
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", work], source);
  const [tarball] = JSON.parse(stdout) as [{ filename: string; files: readonly { path: string }[] }];
  packed = tarball.files.map(({ path }) => path);
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", ["install", ...quiet, join(work, tarball.filename)], project);
});
afterAll(async () => {
  await rm(work, { recursive: true, force: true });
});

describe("the packed package, installed elsewhere", () => {
  test("holds what is compiled, not what it is made from", () => {
    expect(packed).toEqual(
      expect.arrayContaining(["package.json", "dist/index.js", "dist/index.d.ts", "dist/cli/main.js"]),
    );
    expect(packed.filter((path) => /^(src|test|tools)\/|(?<!\.d)\.ts$/.test(path))).toEqual([]);
  });

  test("is imported without a word on stderr", async () => {
    const program = 'import * as library from "kv-distill"; console.log(Object.keys(library).sort().join(" "));';
    const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", program], project);
    expect(stderr).toBe("");
    expect(stdout.trim().split(" ")).toEqual(Object.keys(await import("../../src/index.ts")).sort());
  });

  test("its command tells the version and a tiny model's logits, without a word on stderr", async () => {
    const command = join(project, "node_modules/.bin/kv-distill");
    expect(await run(command, ["--version"], project)).toEqual({ stdout: `${VERSION}\n`, stderr: "" });
    const asked = ["logits", "--model", llama, "--ids", "1,2,3", "--json"];
    const { stdout, stderr } = await run(command, asked, project);
    expect(stderr).toBe("");
    const ids = (text: string): number[] => (JSON.parse(text) as { next: { id: number }[] }).next.map(({ id }) => id);
    expect(ids(stdout)).toEqual(ids((await runCli(asked)).stdout));
  });
});
