import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseRedisUrl } from "../../src/distribute/redis/address.ts";
import { cutBySize } from "../../src/distribute/shards.ts";
import { fetchFile, getBytes, getJson, putFile, putJson } from "../../src/distribute/store/checked-file.ts";
import { isStoreKey } from "../../src/distribute/store/key.ts";
import { openStore } from "../../src/distribute/store/open-store.ts";
import { type Store } from "../../src/distribute/store/store.ts";
import { type S3Server, startS3 } from "./s3-server.ts";
import { startVersity, type VersityServer, versityServer } from "./versity-server.ts";

let root = "";
let s3: S3Server;
let real: VersityServer | undefined;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kv-distill-stores-"));
  s3 = await startS3();
  if (versityServer) real = await startVersity(join(root, "versity"));
});
afterAll(async () => {
  s3.close();
  await real?.stop();
  await rm(root, { recursive: true });
});

const kinds: readonly (readonly [string, () => Promise<Store>])[] = [
  ["folder", () => openStore(join(root, "store"))],
  ["S3", () => openStore(s3.place)],
  ...(versityServer ? [["a real S3 server", () => openStore(real?.place ?? "")] as const] : []),
];

describe.each(kinds)("a store: %s", (_, open) => {
  test("files come back as they were put, and go with their folder", async () => {
    const store = await open();
    const json = await putJson(store, "runs/a/work", { x: [1, "ü"] });
    expect(await getJson(store, json)).toEqual({ x: [1, "ü"] });
    expect(await putJson(store, "runs/a/work", { x: [1, "ü"] })).toEqual(json);
    const bytes = Buffer.alloc(100_000, 7);
    await writeFile(join(root, "given"), bytes);
    const file = await putFile(store, "runs/a", "bin", join(root, "given"));
    expect(file).toMatchObject({ bytes: 100_000, sha256: createHash("sha256").update(bytes).digest("hex") });
    await fetchFile(store, file, join(root, "taken"), { mode: 0o600 });
    expect(await readFile(join(root, "taken"))).toEqual(bytes);
    const kept = await putJson(store, "runs/b", 1);
    await store.removeAll("runs/a");
    await expect(getBytes(store, json)).rejects.toMatchObject({ code: "not-found" });
    await expect(fetchFile(store, file, join(root, "none"))).rejects.toMatchObject({ code: "not-found" });
    expect(await getJson(store, kept)).toBe(1);
    await store.removeAll("runs/none");
    store.close();
  });

  test("a folder into which another machine still writes goes when it is done, at the latest", async () => {
    const [store, other] = [await open(), await open()];
    for (let round = 0; round < 20; round++) {
      const late = async (): Promise<void> => {
        // A folder that is taken away under a file fails that file's machine, which tries again.
        for (let i = 0; i < 20; i++) await other.put(`runs/late/${i}`, Buffer.of(i)).catch(() => undefined);
      };
      await store.put("runs/late/early", Buffer.of(1));
      await Promise.all([late(), store.removeAll("runs/late")]);
    }
    await store.removeAll("runs/late");
    expect(await store.list("runs/late")).toEqual([]);
    store.close();
    other.close();
  });

  test("all files below a folder are listed, with their sizes and when they were written", async () => {
    const store = await open();
    expect(await store.list("lists")).toEqual([]);
    const keys = ["lists/a/1", "lists/a/2", "lists/b/c/3", "lists/b/4", "lists/5"];
    for (const [i, key] of keys.entries()) await store.put(key, Buffer.alloc(i));
    await store.put("listsother/6", Buffer.alloc(6));
    const listed = await store.list("lists");
    expect(Object.fromEntries(listed.map(({ key, bytes }) => [key, bytes]))).toEqual(
      Object.fromEntries(keys.map((key, i) => [key, i])),
    );
    for (const { changed } of listed) {
      expect(changed).toBeGreaterThan(Date.UTC(2026, 0, 1));
      expect(changed).toBeLessThan(Date.now() + 60_000);
    }
    await expect(store.list("../x")).rejects.toMatchObject({ code: "bad-argument" });
    store.close();
  });

  test("other bytes than are named are refused, and nothing takes their place", async () => {
    const store = await open();
    const file = await putJson(store, "runs/c", "right");
    await store.put(file.key, Buffer.from(`"wrong"`));
    await writeFile(join(root, "before"), "before");
    await expect(getBytes(store, file)).rejects.toMatchObject({ code: "checksum-mismatch" });
    await expect(fetchFile(store, file, join(root, "before"))).rejects.toMatchObject({ code: "checksum-mismatch" });
    expect(await readFile(join(root, "before"), "utf8")).toBe("before");
    await store.put(file.key, Buffer.alloc(1000));
    await expect(getBytes(store, file)).rejects.toMatchObject({ code: "too-large" });
    store.close();
  });

  test("keys lead nowhere else", async () => {
    const store = await open();
    for (const key of ["../x", "/etc/x", "a/../../x", "a//b", ".hidden", "a/.b", "", "a\\b", "a/ ", "a\0b"]) {
      for (const use of [store.put(key, Buffer.of(1)), store.get(key, 1), store.fetch(key, join(root, "no"))]) {
        await expect(use).rejects.toMatchObject({ code: "bad-argument" });
      }
      await expect(store.removeAll(key)).rejects.toMatchObject({ code: "bad-argument" });
    }
    store.close();
  });
});

describe.skipIf(!versityServer)("a real S3 server", () => {
  test("lists and removes more files than it tells in one answer", async () => {
    const store = await openStore(real?.place ?? "");
    const keys = Array.from({ length: 1001 }, (_, i) => `many/${String(i).padStart(4, "0")}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, Buffer.of(1))));
    }
    expect((await store.list("many")).map(({ key }) => key).sort()).toEqual(keys);
    await store.removeAll("many");
    expect(await store.list("many")).toEqual([]);
    store.close();
  });

  test("takes and gives a file of many pieces as it is", async () => {
    const store = await openStore(real?.place ?? "");
    const bytes = Buffer.alloc(48 * 2 ** 20);
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(i, i);
    await writeFile(join(root, "large"), bytes);
    const file = await putFile(store, "runs/large", "bin", join(root, "large"));
    await fetchFile(store, file, join(root, "large-again"));
    expect((await readFile(join(root, "large-again"))).equals(bytes)).toBe(true);
    expect(Buffer.from(await getBytes(store, file)).equals(bytes)).toBe(true);
    store.close();
  });

  test("tells in its own words what it refuses: the bucket, the region, the key", async () => {
    const place = real?.place ?? "";
    for (const [wrong, why] of [
      [place.replace("bucket", "another"), /bucket does not exist/],
      [place.replace("nowhere", "elsewhere"), /region .*elsewhere/],
    ] as const) {
      const store = await openStore(wrong);
      await expect(store.put("runs/x", Buffer.of(1))).rejects.toThrow(why);
      await expect(store.get("runs/x", 1)).rejects.toMatchObject({ code: "network" });
      store.close();
    }
    const right = process.env.AWS_SECRET_ACCESS_KEY;
    process.env.AWS_SECRET_ACCESS_KEY = "another";
    const store = await openStore(place);
    const refused = expect(store.put("runs/x", Buffer.of(1))).rejects;
    await refused.toMatchObject({ code: "network", message: expect.stringMatching(/signature/) as string });
    process.env.AWS_SECRET_ACCESS_KEY = right;
    store.close();
  });
});

test("a link in the folder that leads out of it is no way out", async () => {
  await mkdir(join(root, "outside"));
  const store = await openStore(join(root, "linked"));
  await symlink(join(root, "outside"), join(root, "linked", "out"));
  await expect(store.put("out/x", Buffer.of(1))).rejects.toThrow(/a link leads out of the store/);
  await expect(store.put("out/deep/x", Buffer.of(1))).rejects.toThrow(/a link leads out of the store/);
  await expect(store.list("out")).rejects.toThrow(/a link leads out of the store/);
});

test("no key has a way up", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", ".", "/", "\\", "0", "\0", " ", "-"), maxLength: 12 }),
      (key) => {
        const parts = key.split("/");
        expect(isStoreKey(key)).toBe(parts.every((part) => /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(part)));
      },
    ),
  );
});

test("places and addresses that mean nothing are refused, all faults at once, without a secret", async () => {
  await expect(openStore("ftp://x")).rejects.toThrow(/no such kind of store/);
  await expect(openStore("s3://B/../x?endpoint=ftp://x&colour=red")).rejects.toThrow(
    /bucket[^]*prefix[^]*colour[^]*endpoint/,
  );
  // Larger than any number that is one exactly.
  expect(() => parseRedisUrl("redis://host/9007199254740993")).toThrow(/number of a database/);
  expect(() => parseRedisUrl("http://u:hunter2@h/x?y=1")).toThrow(/no scheme http:[^]*database[^]*nothing may follow/);
  expect(() => parseRedisUrl("http://u:hunter2@h/x?y=1")).not.toThrow(/hunter2/);
  for (const address of ["redis://u:100%hunter2@h", "redis://50%:hunter2@h", "redis://u:%ffhunter2@h"]) {
    expect(() => parseRedisUrl(address)).toThrow(expect.objectContaining({ code: "bad-argument" }));
    expect(() => parseRedisUrl(address)).toThrow(/write it as %25/);
    expect(() => parseRedisUrl(address)).not.toThrow(/hunter2/);
  }
  expect(parseRedisUrl("rediss://u:p%40ss@[::1]:7000/3")).toEqual({
    host: "::1",
    port: 7000,
    username: "u",
    password: "p@ss",
    database: 3,
    tls: true,
    shown: "rediss://[::1]:7000/3",
  });
  expect(parseRedisUrl("redis://h", { KV_DISTILL_QUEUE_PASSWORD: "w" })).toMatchObject({ port: 6379, password: "w" });
});

test("shards are stretches in order, none over the size but single pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.integer({ min: 1, max: 60 }), (sizes, most) => {
      const shards = cutBySize(sizes, (size) => size, most);
      expect(shards.flat()).toEqual(sizes);
      for (const shard of shards) {
        expect(shard.length === 1 || shard.reduce((sum, size) => sum + size, 0) <= most).toBe(true);
      }
    }),
  );
});
