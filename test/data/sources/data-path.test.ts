import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dataPath } from "../../../src/data/sources/data-path.ts";
import { COMMIT, type HubStandIn, startHub } from "../../models/hub-stand-in.ts";
import { useTempHome } from "../../models/temp-home.ts";
import { PUBLISHED, textOf } from "./published.ts";
import { readSource } from "./read-source.ts";

const { home, work } = useTempHome();
const retry = { attempts: 2, firstDelaySeconds: 0.01, stallSeconds: 10 };
let hub: HubStandIn;

beforeEach(async () => {
  hub = await startHub();
  process.env.HF_ENDPOINT = hub.url;
  const alpaca = PUBLISHED.alpaca;
  if (alpaca === undefined) throw new Error("no alpaca");
  const parquet = await readFile(new URL("../../golden/data-sources/p3-snappy.parquet", import.meta.url));
  const files = new Map(
    Object.entries({
      "README.md": Buffer.from("# no rows"),
      "script.py": Buffer.from("raise"),
      "data/train.json": Buffer.from(textOf(alpaca)),
      "../escape.jsonl": Buffer.from("{}"),
      ".hidden.jsonl": Buffer.from("{}"),
    }),
  );
  hub.repos.set("acme/alpaca", { files, licence: "cc-by-nc-4.0" });
  hub.repos.set("acme/p3", { files: new Map([["data/train-00000-of-00001.parquet", parquet]]) });
  hub.repos.set("acme/script", { files: new Map([["script.py", Buffer.from("raise")]]) });
});

afterEach(async () => {
  await hub.close();
  delete process.env.HF_ENDPOINT;
});

describe("data by name", () => {
  test("a path that is there comes first and nobody is asked", async () => {
    expect(await dataPath(work())).toBe(work());
    expect(hub.requests).toEqual([]);
  });

  test("a data set of the hub: its data files and no others, once, whole, readable by its source", async () => {
    const folder = await dataPath("acme/alpaca", { retry });
    expect(folder).toBe(join(home(), "datasets", "acme--alpaca"));
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(["data", "data/train.json", "source.json"]);
    expect(JSON.parse(await readFile(join(folder, "source.json"), "utf8"))).toMatchObject({
      from: "acme/alpaca",
      commit: COMMIT,
      licence: "cc-by-nc-4.0",
    });
    expect(hub.requests.map(({ path }) => path)).toEqual([
      "/api/datasets/acme/alpaca/revision/main",
      `/datasets/acme/alpaca/resolve/${COMMIT}/data/train.json`,
    ]);
    expect((await readSource("alpaca", folder)).rows).toHaveLength(PUBLISHED.alpaca?.rows ?? 0);
    expect(await dataPath("acme/alpaca")).toBe(folder);
    expect(hub.requests).toHaveLength(2);
    expect(await readdir(join(home(), "downloads"))).toEqual([]);
  });

  test("parquet behind a redirect, at a revision of its own", async () => {
    const folder = await dataPath("acme/p3@refs/convert/parquet", { retry });
    expect((await readSource("p3", folder)).rows).toHaveLength(5);
    expect(hub.requests[0]?.path).toBe("/api/datasets/acme/p3/revision/refs/convert/parquet");
  });

  test("a connection lost for good leaves no data set; the next call goes on", async () => {
    hub.fault = ({ host }) => (host === "cdn" ? { kind: "cut", after: 1000 } : undefined);
    let seen = 0;
    const onProgress = ({ done }: { done: number }) => {
      seen = Math.max(seen, done);
      if (seen >= 3000) hub.fault = ({ host }) => (host === "cdn" ? { kind: "status", status: 503 } : undefined);
    };
    await expect(dataPath("acme/p3", { retry, onProgress })).rejects.toMatchObject({ code: "network" });
    expect(await readdir(join(home(), "datasets"))).toEqual([]);
    hub.fault = () => undefined;
    const before = hub.requests.length;
    expect((await readSource("p3", await dataPath("acme/p3", { retry }))).rows).toHaveLength(5);
    expect(hub.requests.slice(before).map(({ range }) => range)).toContain("bytes=3000-");
  });

  test("what is neither, has no data files, or does not exist is refused by name", async () => {
    await expect(dataPath("./nothing.jsonl")).rejects.toMatchObject({ code: "not-found" });
    await expect(dataPath("nothing")).rejects.toThrow(/org\/name/);
    await expect(dataPath("acme/script", { retry })).rejects.toThrow(/acme\/script@refs\/convert\/parquet/);
    await expect(dataPath("acme/none", { retry })).rejects.toMatchObject({ code: "not-found" });
    await expect(dataPath("acme/alpaca@../x", { retry })).rejects.toMatchObject({ code: "bad-argument" });
  });
});
