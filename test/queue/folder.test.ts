import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Setting, useSetting, writeDocuments } from "./setting.ts";

const setting = useSetting();

const WORDS = "The mill by the river burned in the dry summer and was built again of stone.".split(" ");
const DOCUMENTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Array.from({ length: 6 }, (_, i) => [
      i % 2 === 0 ? `d${i}.txt` : `deep/er/d${i}.md`,
      Array.from({ length: 20 + 7 * i }, (_, j) => WORDS[(i + j * (i + 1)) % WORDS.length]).join(" "),
    ]),
  ),
  "blank.txt": "  \n",
  "too-long.txt": "word ".repeat(900),
};

/** Every file of a folder by its hash. */
export async function hashes(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(
    names.map(async (path) => [
      path.slice(folder.length + 1),
      createHash("sha256")
        .update(await readFile(path))
        .digest("hex"),
    ]),
  );
  return Object.fromEntries(found.sort()) as Record<string, string>;
}

function compress({ start, model, work }: Setting, out: string, ...extra: string[]): ReturnType<Setting["start"]> {
  const own = ["--keep", "25%", "--method", "h2o", "--model", model(), "--threads", "1", "--json"];
  return start(["compress", join(work(), "documents"), "-o", join(work(), out), ...own, ...extra]);
}

test("a folder of documents becomes the same folder of caches on one machine and on two workers", async () => {
  await writeDocuments(join(setting.work(), "documents"), DOCUMENTS);
  const alone = await compress(setting, "alone").end;
  expect(alone.code).toBe(1);
  expect(JSON.parse(alone.stdout)).toMatchObject({ documents: 8, compressed: 6, failed: 2 });
  expect(alone.stderr).toMatch(/blank\.txt: .*empty[^]*too-long\.txt: .*context/);

  const workers = await Promise.all(["w1", "w2"].map((name) => setting.worker(name)));
  const queued = await compress(setting, "queued", ...setting.queued(), "--shard", "300").end;
  expect(queued.code).toBe(1);
  expect(JSON.parse(queued.stdout)).toMatchObject({ documents: 8, compressed: 6, failed: 2 });
  expect(await hashes(join(setting.work(), "queued"))).toEqual(await hashes(join(setting.work(), "alone")));
  expect(Object.keys(await hashes(join(setting.work(), "queued")))).toHaveLength(8);
  expect(await readdir(join(setting.store(), "runs"))).toEqual([]);
  for (const worker of workers) worker.child.kill("SIGTERM");
  expect((await Promise.all(workers.map(({ end }) => end))).map(({ code }) => code)).toEqual([143, 143]);
});
