import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeFileAtomic } from "../../src/util/atomic-file.ts";
import { writeFolderAtomic } from "../../src/util/atomic-folder.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-atomic-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function* failingAfter(first: string, error: Error): Generator<Uint8Array> {
  yield bytes(first);
  throw error;
}

function deadPid(): number {
  return spawnSync(process.execPath, ["--version"]).pid;
}

describe("writeFileAtomic", () => {
  test("writes one piece, many pieces and pieces made later", async () => {
    const path = join(folder, "a.bin");
    await writeFileAtomic(path, bytes("one"));
    expect(await readFile(path, "utf8")).toBe("one");
    await writeFileAtomic(path, [bytes("tw"), bytes(""), bytes("o")]);
    expect(await readFile(path, "utf8")).toBe("two");
    async function* later(): AsyncGenerator<Uint8Array> {
      yield bytes("thr");
      await Promise.resolve();
      yield bytes("ee");
    }
    await writeFileAtomic(path, later());
    expect(await readFile(path, "utf8")).toBe("three");
    expect(await readdir(folder)).toEqual(["a.bin"]);
  });

  test("sets the mode exactly", async () => {
    const path = join(folder, "private");
    await writeFileAtomic(path, bytes("x"), { mode: 0o600 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("S9: a failure half-way keeps the earlier file and leaves nothing behind", async () => {
    const path = join(folder, "a.bin");
    await writeFileAtomic(path, bytes("earlier"));
    await expect(writeFileAtomic(path, failingAfter("new", new TypeError("bug")))).rejects.toThrow(TypeError);
    expect(await readFile(path, "utf8")).toBe("earlier");
    expect(await readdir(folder)).toEqual(["a.bin"]);
  });

  test("a full disk is a disk error with a hint", async () => {
    const full = Object.assign(new Error("no space"), { code: "ENOSPC", syscall: "write" });
    const path = join(folder, "a.bin");
    await expect(writeFileAtomic(path, failingAfter("new", full))).rejects.toMatchObject({
      code: "disk",
      facts: { where: path, got: "ENOSPC", hint: expect.stringContaining("free some space") as string },
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test("a missing folder is not-found", async () => {
    await expect(writeFileAtomic(join(folder, "none", "a"), bytes("x"))).rejects.toMatchObject({ code: "not-found" });
  });

  test("removes what killed processes left, and only that", async () => {
    const host = hostname()
      .replace(/[^A-Za-z0-9-]/g, "-")
      .slice(0, 32);
    const dead = `.a.bin.${host}.${deadPid().toString()}.0123456789ab.tmp`;
    const alive = `.a.bin.${host}.${process.pid.toString()}.0123456789ab.tmp`;
    const elsewhere = `.a.bin.another-host.${deadPid().toString()}.0123456789ab.tmp`;
    for (const name of [dead, alive, elsewhere]) await writeFile(join(folder, name), "half");
    await writeFileAtomic(join(folder, "a.bin"), bytes("x"));
    expect((await readdir(folder)).sort()).toEqual([alive, elsewhere, "a.bin"].sort());
  });
});

describe("writeFolderAtomic", () => {
  const fill = (text: string) => async (temp: string) => {
    await writeFileAtomic(join(temp, "file"), bytes(text));
  };

  test("makes the folder, refuses an existing one, replaces it when asked", async () => {
    const path = join(folder, "adapter");
    await writeFolderAtomic(path, fill("one"));
    await expect(writeFolderAtomic(path, fill("two"))).rejects.toMatchObject({ code: "bad-argument" });
    expect(await readFile(join(path, "file"), "utf8")).toBe("one");
    await writeFolderAtomic(path, fill("two"), { replace: true });
    expect(await readFile(join(path, "file"), "utf8")).toBe("two");
    expect(await readdir(folder)).toEqual(["adapter"]);
  });

  test("a failure while filling leaves the earlier folder and no other", async () => {
    const path = join(folder, "adapter");
    await writeFolderAtomic(path, fill("one"));
    const failing = async (temp: string): Promise<void> => {
      await fill("half")(temp);
      throw new TypeError("bug");
    };
    await expect(writeFolderAtomic(path, failing, { replace: true })).rejects.toThrow(TypeError);
    expect(await readFile(join(path, "file"), "utf8")).toBe("one");
    expect(await readdir(folder)).toEqual(["adapter"]);
  });

  test("brings back the earlier folder after a crash between the two renames", async () => {
    const path = join(folder, "adapter");
    await mkdir(join(folder, ".adapter.previous"));
    await writeFile(join(folder, ".adapter.previous", "file"), "one");
    await expect(writeFolderAtomic(path, fill("two"))).rejects.toMatchObject({ code: "bad-argument" });
    expect(await readFile(join(path, "file"), "utf8")).toBe("one");
  });
});
