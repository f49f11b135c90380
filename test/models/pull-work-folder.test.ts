import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { claimWorkFolder } from "../../src/models/pull/work-folder.ts";
import { useTempHome } from "./temp-home.ts";

const { home } = useTempHome();
const downloads = () => join(home(), "downloads");
const listed = () => readdir(downloads());
const host = hostname()
  .replace(/[^A-Za-z0-9-]/g, "-")
  .slice(0, 32);

/** The id of a process that has ended. */
const deadPid = () => spawnSync(process.execPath, ["--version"]).pid;

/** A folder in downloads with one file, last written `daysAgo`. */
async function leave(name: string, daysAgo = 0): Promise<void> {
  const path = join(downloads(), name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "part"), name);
  const when = new Date(Date.now() - daysAgo * 24 * 3600 * 1000);
  for (const each of [join(path, "part"), path]) await utimes(each, when, when);
}

test("what is kept is found by the next claim of its key, and by no other", async () => {
  const first = await claimWorkFolder("a@1", true);
  await writeFile(join(first.path, "part"), "hello");
  await first.release(true);
  expect(await listed()).toEqual(["a@1"]);
  const other = await claimWorkFolder("a@2", true);
  expect(await readdir(other.path)).toEqual([]);
  const second = await claimWorkFolder("a@1", true);
  expect(await readFile(join(second.path, "part"), "utf8")).toBe("hello");
  await second.release(false);
  await other.release(true); // empty: not worth keeping
  expect(await listed()).toEqual([]);
});

test("two at once never share a folder, and one of them is kept", async () => {
  await leave("a@1");
  const [one, two] = await Promise.all([claimWorkFolder("a@1", true), claimWorkFolder("a@1", true)]);
  expect(one.path).not.toBe(two.path);
  expect((await Promise.all([readdir(one.path), readdir(two.path)])).map((names) => names.length).sort()).toEqual([
    0, 1,
  ]);
  for (const { path } of [one, two]) await writeFile(join(path, "part"), "x");
  await one.release(true);
  await two.release(true);
  expect(await listed()).toEqual(["a@1"]);
});

test("the folder of a killed process is taken over; those of live ones and other machines stay", async () => {
  const dead = `.a@1.${host}.${deadPid().toString()}.0123456789ab.tmp`;
  const alive = `.a@1.${host}.${process.pid.toString()}.0123456789ab.tmp`;
  const elsewhere = `.a@1.another-host.${deadPid().toString()}.0123456789ab.tmp`;
  for (const name of [alive, dead, elsewhere]) await leave(name);
  const { path, release } = await claimWorkFolder("a@1", true);
  expect(await readFile(join(path, "part"), "utf8")).toBe(dead);
  await release(false);
  expect(await listed()).toEqual([elsewhere, alive].sort());
  await leave(dead);
  const fresh = await claimWorkFolder("a@1", false);
  expect(await readdir(fresh.path)).toEqual([]);
  await fresh.release(true);
  expect(await listed()).toEqual([elsewhere, alive].sort());
});

test("old downloads, and the oldest beyond four, are deleted; live ones never", async () => {
  const alive = `.live@1.${host}.${process.pid.toString()}.0123456789ab.tmp`;
  await leave(alive, 30);
  await leave("old@1", 8);
  for (const day of [1, 2, 3, 4, 5]) await leave(`m${day.toString()}@1`, day);
  const { release } = await claimWorkFolder("new@1", true);
  await release(false);
  expect(await listed()).toEqual([alive, "m1@1", "m2@1", "m3@1", "m4@1"]);
});
