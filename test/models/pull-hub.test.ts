import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openModel } from "../../src/models/open.ts";
import type { ModelProgress } from "../../src/models/progress.ts";
import { pull, type PullOptions } from "../../src/models/pull/pull.ts";
import { isKvDistillError } from "../../src/util/errors.ts";
import { COMMIT, type Fault, gitBlob, type HubStandIn, readRepo, startHub } from "./hub-stand-in.ts";
import { useTempHome } from "./temp-home.ts";
import { rewrite, shard, tinyModel } from "./tiny-models.ts";

const { home, work } = useTempHome();
const WEIGHTS = "model.safetensors";
const SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const retry = { attempts: 3, firstDelaySeconds: 0.01, stallSeconds: 0.5 };
let hub: HubStandIn;
let tiny: Map<string, Buffer>;
let warnings: string[];

beforeEach(async () => {
  hub = await startHub();
  process.env.HF_ENDPOINT = hub.url;
  tiny = await readRepo(tinyModel("llama"));
  hub.repos.set("acme/tiny", { files: tiny, licence: "mit" });
  warnings = [];
});

afterEach(async () => {
  await hub.close();
  delete process.env.HF_ENDPOINT;
  delete process.env.HF_TOKEN;
});

const go = (source = "acme/tiny", options: PullOptions = {}) =>
  pull(source, { retry, onWarning: (message) => void warnings.push(message), ...options });
const listed = (name: string) => readdir(join(home(), name)).catch(() => [] as string[]);
const asked = (file: string) => hub.requests.filter((seen) => seen.file === file && seen.host === "cdn");
const pulledBytes = (file = WEIGHTS) => readFile(join(home(), "models", "acme--tiny", file));
const original = () => {
  const bytes = tiny.get(WEIGHTS);
  if (bytes === undefined) throw new Error("the tiny model has no weights");
  return bytes;
};

/** The tiny model with changed or added files. */
function withFiles(changes: Record<string, Buffer | string | undefined>): Map<string, Buffer> {
  const files = new Map(tiny);
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes === undefined) files.delete(name);
    else files.set(name, Buffer.from(bytes));
  }
  return files;
}

/** Nothing but what the test names is in the cache folder, and no model. */
async function expectNoModel(downloads: readonly unknown[] = []): Promise<void> {
  expect(await listed("models")).toEqual([]);
  expect(await listed("downloads")).toEqual(downloads);
}

describe("a whole pull", () => {
  test("brings the files that are read and no others, and the model opens by its name", async () => {
    const more = { "pytorch_model.bin": "pickle", "README.md": "# hi", "consolidated.safetensors": "x", "a.py": "x" };
    const texts = { "chat_template.jinja": "{{ messages }}", "generation_config.json": '{"eos_token_id":[1,2]}' };
    hub.repos.set("acme/tiny", { files: withFiles({ ...more, ...texts }), licence: "mit" });
    const steps: ModelProgress[] = [];
    const result = await go("acme/tiny", { onProgress: (progress) => void steps.push(progress) });
    const wanted = [...tiny.keys(), ...Object.keys(texts)];
    expect(await readdir(result.folder)).toEqual([...wanted, "source.json"].sort());
    expect(new Set(hub.requests.flatMap(({ file }) => file ?? []))).toEqual(new Set(wanted));
    for (const name of tiny.keys()) expect(await readFile(join(result.folder, name))).toEqual(tiny.get(name));
    const source = { kind: "huggingface-hub", from: "acme/tiny", revision: "main", commit: COMMIT, licence: "mit" };
    expect(result).toMatchObject({ name: "acme/tiny", alreadyThere: false, source });
    expect(await listed("downloads")).toEqual([]);
    expect(warnings).toEqual([]);
    expect(steps.at(-1)).toMatchObject({ step: "download", done: original().length, total: original().length });
    expect((await openModel("acme/tiny")).hash).toBe((await openModel(tinyModel("llama"))).hash);
    for (const { encoding, authorization } of hub.requests) {
      expect(encoding).toBe("identity");
      expect(authorization).toBeUndefined();
    }
  });

  test("is done once: the second asks nobody", async () => {
    const first = await go();
    const before = hub.requests.length;
    expect(await go()).toEqual({ ...first, alreadyThere: true });
    expect(hub.requests).toHaveLength(before);
    await go("acme/tiny", { replace: true });
    expect(hub.requests.length).toBeGreaterThan(before);
  });

  test("of shards brings those that the index lists", async () => {
    const folder = await rewrite(tinyModel("qwen2"), join(work(), "m"));
    await shard(folder, () => "F32");
    const files = await readRepo(folder);
    files.delete(WEIGHTS);
    files.set("model-00009-of-00009.safetensors", Buffer.from("stray"));
    hub.repos.set("acme/sharded", { files });
    await go("acme/sharded");
    expect(asked("model-00009-of-00009.safetensors")).toEqual([]);
    expect((await readdir(join(home(), "models", "acme--sharded"))).filter((name) => SHARDS.includes(name))).toEqual(
      SHARDS,
    );
    expect((await openModel("acme/sharded")).hash).toBe((await openModel(tinyModel("qwen2"))).hash);
  });

  test("of a revision is that revision's, and not taken for another's", async () => {
    await go("acme/tiny@refs/pr/1");
    expect(hub.requests[0]?.path).toBe("/api/models/acme/tiny/revision/refs/pr/1");
    expect(hub.requests.every(({ path }) => !path.includes("resolve") || path.includes(COMMIT))).toBe(true);
    await expect(go("acme/tiny")).rejects.toMatchObject({
      code: "bad-argument",
      facts: { expected: "huggingface-hub acme/tiny main", got: "huggingface-hub acme/tiny refs/pr/1" },
    });
    expect((await go("acme/tiny", { name: "other" })).folder).toBe(join(home(), "models", "other"));
    expect((await go("acme/tiny", { replace: true })).source?.revision).toBe("main");
  });

  test("by two at once ends in one model", async () => {
    const results = await Promise.all([go(), go()]);
    expect(results.map(({ folder }) => folder)).toEqual([results[0].folder, results[0].folder]);
    expect(await listed("models")).toEqual(["acme--tiny"]);
    expect(await listed("downloads")).toEqual([]);
    expect(await pulledBytes()).toEqual(original());
  });

  test("sends the token to the hub and to nobody else", async () => {
    process.env.HF_TOKEN = "hf_secret";
    await go();
    for (const { host, authorization } of hub.requests) {
      expect(authorization).toBe(host === "hub" ? "Bearer hf_secret" : undefined);
    }
    expect(hub.requests.some(({ host }) => host === "cdn")).toBe(true);
    process.env.HF_ENDPOINT = "http://hub.example";
    await expect(go("acme/other")).rejects.toMatchObject({ code: "bad-argument", facts: { where: "HF_ENDPOINT" } });
  });
});

describe("a broken connection", () => {
  test("is gone on with from where it broke, as often as there is progress", async () => {
    hub.fault = ({ host }) => (host === "cdn" ? { kind: "cut", after: 4000 } : undefined);
    await go();
    const starts = asked(WEIGHTS).map(({ range }) => Number(/\d+/.exec(range ?? "0")?.[0]));
    expect(starts).toEqual([0, 4000, 8000, 12000, 16000]);
    expect(await pulledBytes()).toEqual(original());
  });

  test("for good leaves a part, and the next run asks for the rest only", async () => {
    let cuts = 0;
    hub.fault = ({ host }) => {
      if (host === "hub") return undefined;
      return cuts++ === 0 ? { kind: "cut", after: 7000 } : { kind: "status", status: 503 };
    };
    await expect(go()).rejects.toMatchObject({ code: "network", facts: { got: "status 503" } });
    await expectNoModel([`acme--tiny@${COMMIT}`]);
    expect(asked(WEIGHTS)).toHaveLength(3);
    hub.fault = () => undefined;
    hub.requests.length = 0;
    await go();
    expect(hub.requests.flatMap(({ file, host }) => (host === "cdn" ? file : []))).toEqual([WEIGHTS]);
    // The small files were whole.
    expect(hub.requests.filter(({ file }) => file !== undefined && file !== WEIGHTS)).toEqual([]);
    expect(asked(WEIGHTS)[0]?.range).toBe("bytes=7000-");
    expect(await pulledBytes()).toEqual(original());
    expect(await listed("downloads")).toEqual([]);
  });

  test("that stalls is cut off and gone on with", async () => {
    hub.fault = ({ host, range }) =>
      host === "cdn" && range === undefined ? { kind: "hang", after: 9000 } : undefined;
    await go();
    expect(asked(WEIGHTS).map(({ range }) => range)).toEqual([undefined, "bytes=9000-"]);
    expect(warnings).toEqual([expect.stringContaining("nothing came for 0.5 s")]);
    expect(await pulledBytes()).toEqual(original());
  });

  test.each(["ignore-range", "other-range"] as const)("with a hub that answers ranges wrongly: %s", async (kind) => {
    let count = 0;
    hub.fault = ({ host }) => {
      if (host === "hub") return undefined;
      return [{ kind: "cut", after: 5000 } as const, { kind } as const][count++];
    };
    await go();
    expect(asked(WEIGHTS)[1]?.range).toBe("bytes=5000-");
    expect(await pulledBytes()).toEqual(original());
  });

  test("before there is a hub at all", async () => {
    await hub.close();
    await expect(go()).rejects.toMatchObject({
      code: "network",
      facts: { got: expect.stringContaining("ECONNREFUSED") as string },
    });
    await expectNoModel();
  });

  test("stopped by the caller is cancelled, and gone on with later", async () => {
    const controller = new AbortController();
    hub.fault = ({ host }) => (host === "cdn" ? { kind: "hang", after: 6000 } : undefined);
    const onProgress = ({ item, done }: ModelProgress): void => {
      if (item === "acme/tiny" && done >= 6000) controller.abort(new Error("enough"));
    };
    const running = go("acme/tiny", { signal: controller.signal, onProgress, retry: { ...retry, stallSeconds: 60 } });
    await expect(running).rejects.toMatchObject({ code: "cancelled" });
    await expectNoModel([`acme--tiny@${COMMIT}`]);
    hub.fault = () => undefined;
    await go();
    expect(asked(WEIGHTS).at(-1)?.range).toBe("bytes=6000-");
    await expect(go("acme/more", { signal: controller.signal })).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("bytes that are not what the hub announced", () => {
  const flipped = (bytes: Buffer): Buffer => {
    const copy = Buffer.from(bytes);
    copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
    return copy;
  };

  test.each([WEIGHTS, "tokenizer.json"])("%s: one flipped bit leaves no model and no such file", async (name) => {
    const bytes = flipped(tiny.get(name) ?? Buffer.of());
    hub.fault = ({ file, host }) =>
      file === name && (host === "cdn" || name !== WEIGHTS) ? { kind: "bytes", bytes } : undefined;
    await expect(go()).rejects.toMatchObject({ code: "checksum-mismatch" });
    await expectNoModel([`acme--tiny@${COMMIT}`]);
    const left = join(home(), "downloads", `acme--tiny@${COMMIT}`, name);
    expect((await stat(left)).size).toBe(0);
    const times = hub.requests.filter(({ file, host }) => file === name && (host === "cdn" || name !== WEIGHTS));
    expect(times).toHaveLength(1);
    hub.fault = () => undefined;
    await go();
    expect(await pulledBytes(name)).toEqual(tiny.get(name));
  });

  test("S10: a part that was damaged on the disk is fetched again", async () => {
    hub.fault = ({ host }) => (host === "cdn" ? { kind: "cut", after: 7000 } : undefined);
    await expect(go("acme/tiny", { retry: { ...retry, attempts: 1 } })).rejects.toMatchObject({ code: "network" });
    const part = join(home(), "downloads", `acme--tiny@${COMMIT}`, WEIGHTS);
    await writeFile(part, flipped(await readFile(part)));
    hub.fault = () => undefined;
    hub.requests.length = 0;
    await go();
    expect(asked(WEIGHTS).map(({ range }) => range)).toEqual(["bytes=7000-", undefined]);
    expect(warnings).toContainEqual(expect.stringContaining("do not fit together"));
    expect(await pulledBytes()).toEqual(original());
  });

  test("more of them, and fewer", async () => {
    let bytes: Buffer = Buffer.concat([original(), Buffer.of(0)]);
    hub.fault = ({ host }) => (host === "cdn" ? { kind: "bytes", bytes } : undefined);
    await expect(go()).rejects.toMatchObject({ code: "checksum-mismatch" });
    bytes = original().subarray(0, 9000);
    await expect(go()).rejects.toMatchObject({ code: "network" });
    expect(await listed("models")).toEqual([]);
  });
});

describe("a hub that refuses", () => {
  const refuse = (status: number, headers: Record<string, string> = {}) => {
    hub.fault = () => ({ kind: "status", status, headers });
  };

  test("unknown models and revisions are not found", async () => {
    await expect(go("acme/none")).rejects.toMatchObject({
      code: "not-found",
      facts: { hint: expect.stringContaining("HF_TOKEN") as string },
    });
    refuse(404);
    await expect(go()).rejects.toMatchObject({ code: "not-found" });
    refuse(404, { "x-error-code": "RevisionNotFound" });
    await expect(go("acme/tiny@v9")).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("acme/tiny@v9: no such revision") as string,
    });
    expect(hub.requests).toHaveLength(3);
    await expectNoModel();
  });

  test("a wrong token and a gated model say what to do", async () => {
    refuse(403, { "x-error-code": "GatedRepo" });
    await expect(go()).rejects.toMatchObject({
      code: "network",
      facts: { hint: expect.stringContaining("accept") as string },
    });
    process.env.HF_TOKEN = "hf_wrong";
    refuse(401, { "x-error-message": "Invalid credentials in Authorization header" });
    await expect(go()).rejects.toMatchObject({ code: "network", facts: { hint: "check HF_TOKEN" } });
    const told = await go().catch((error: unknown) => String(error));
    expect(told).not.toContain("hf_wrong");
    await expectNoModel();
  });

  test("for a while is asked again", async () => {
    const statuses = [500, 429, 200, 502, 408];
    hub.fault = () => {
      const status = statuses.shift() ?? 200;
      return status === 200 ? undefined : { kind: "status", status, headers: { "retry-after": "0" } };
    };
    await go();
    expect(statuses).toEqual([]);
    expect(warnings).toHaveLength(4);
  });

  test("for good is given up on", async () => {
    refuse(500);
    await expect(go()).rejects.toMatchObject({ code: "network" });
    expect(hub.requests).toHaveLength(retry.attempts);
    await expectNoModel();
  });

  test.each([
    ["a page", Buffer.from("<html>captive portal</html>")],
    ["no commit", Buffer.from('{"sha":"../../x","siblings":[]}')],
    ["a negative size", Buffer.from(`{"sha":"${COMMIT}","siblings":[{"rfilename":"config.json","size":-1}]}`)],
    ["keys twice", Buffer.from(`{"sha":"${COMMIT}","sha":"x","siblings":[]}`)],
  ])("or answers with %s", async (_, bytes) => {
    hub.fault = () => ({ kind: "bytes", bytes });
    await expect(go()).rejects.toMatchObject({ code: "bad-file" });
    await expectNoModel();
  });
});

describe("a repository", () => {
  const index = (map: Record<string, string>) => JSON.stringify({ metadata: {}, weight_map: map });

  test("S10: with names that lead elsewhere writes nowhere", async () => {
    const evil = { "../../evil.safetensors": "x", "/tmp/kv-distill-evil": "x", "..\\evil.safetensors": "x" };
    hub.repos.set("acme/tiny", { files: withFiles(evil) });
    await go();
    expect(await readdir(join(home(), "models", "acme--tiny"))).toEqual([...tiny.keys(), "source.json"].sort());
    expect((await readdir(home())).sort()).toEqual(["downloads", "models"]);
    for (const shardName of [
      "../../evil.safetensors",
      "/tmp/evil.safetensors",
      "..\\evil.safetensors",
      ".safetensors",
    ]) {
      const files = withFiles({
        ...evil,
        [WEIGHTS]: undefined,
        "model.safetensors.index.json": index({ w: shardName }),
      });
      hub.repos.set("acme/evil", { files });
      await expect(go("acme/evil")).rejects.toMatchObject({ code: "bad-file" });
    }
    expect(hub.requests.filter(({ path }) => path.includes("evil.") || path.includes(".."))).toEqual([]);
    expect((await readdir(home())).sort()).toEqual(["downloads", "models"]);
    expect(await listed("downloads")).toEqual([]);
    expect(await listed("models")).toEqual(["acme--tiny"]);
  });

  test("with an index of missing shards is told before any weights", async () => {
    const listing = index({ a: SHARDS[0] ?? "", b: SHARDS[1] ?? "" });
    hub.repos.set("acme/tiny", {
      files: withFiles({ [WEIGHTS]: undefined, "model.safetensors.index.json": listing, [SHARDS[0] ?? ""]: "x" }),
    });
    await expect(go()).rejects.toMatchObject({ code: "bad-file", facts: { got: JSON.stringify(SHARDS[1]) } });
    expect(hub.requests.filter(({ host }) => host === "cdn")).toEqual([]);
    await expectNoModel();
  });

  test("of a model that cannot be opened is told before any weights", async () => {
    hub.repos.set("acme/tiny", { files: withFiles({ "config.json": '{"model_type":"bert"}' }) });
    await expect(go()).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("bert") as string,
    });
    expect(hub.requests.filter(({ host }) => host === "cdn")).toEqual([]);
    await expectNoModel();
  });

  test("with weights that are not the configuration's is not pulled", async () => {
    const config = JSON.parse(tiny.get("config.json")?.toString() ?? "") as Record<string, unknown>;
    const deeper = JSON.stringify({ ...config, num_hidden_layers: 3 });
    hub.repos.set("acme/tiny", { files: withFiles({ "config.json": deeper }) });
    await expect(go()).rejects.toMatchObject({ code: "bad-file" });
    hub.repos.set("acme/tiny", { files: withFiles({ [WEIGHTS]: "no safetensors" }) });
    await expect(go()).rejects.toMatchObject({ code: /bad-file|too-large/ });
    await expectNoModel();
  });

  test.each([
    ["pickles only", { [WEIGHTS]: undefined, "pytorch_model.bin": "x" }, "unsupported"],
    ["no tokenizer.json", { "tokenizer.json": undefined }, "not-found"],
    ["no config.json", { "config.json": undefined }, "not-found"],
  ])("with %s", async (_, changes, code) => {
    hub.repos.set("acme/tiny", { files: withFiles(changes) });
    await expect(go()).rejects.toMatchObject({ code });
    expect(hub.requests).toHaveLength(1);
    await expectNoModel();
  });

  test("of files without digests has none that could be checked", async () => {
    const edit = (answer: { siblings: { rfilename: string }[] }) => ({
      ...answer,
      siblings: answer.siblings.map(({ rfilename }) => ({ rfilename })),
    });
    hub.repos.set("acme/tiny", { files: tiny, edit });
    await expect(go()).rejects.toMatchObject({ code: "not-found" });
    expect(hub.requests).toHaveLength(1);
  });

  test("larger than the disk, or with huge small files, is refused before the first byte", async () => {
    const sized = (name: string, size: number) => {
      hub.repos.set("acme/tiny", {
        files: tiny,
        edit: (answer) => {
          for (const sibling of answer.siblings) {
            if (sibling.rfilename !== name) continue;
            sibling.size = size;
            if (sibling.lfs !== undefined) sibling.lfs.size = size;
          }
          return answer;
        },
      });
    };
    sized(WEIGHTS, 1e15);
    await expect(go()).rejects.toMatchObject({ code: "disk", facts: { expected: "1.00 PB" } });
    sized("tokenizer.json", 1 << 28);
    await expect(go()).rejects.toMatchObject({ code: "too-large" });
    expect(hub.requests).toHaveLength(2);
    await expectNoModel();
  });
});

test("whatever goes wrong and in whatever order, there is the whole model or none", async () => {
  const fault: fc.Arbitrary<Fault | undefined> = fc.oneof(
    fc.constant(undefined),
    fc.nat(20_000).map((after) => ({ kind: "cut" as const, after })),
    fc.constantFrom(500, 503, 404, 401, 416, 204).map((status) => ({ kind: "status" as const, status })),
    fc.uint8Array({ maxLength: 40_000 }).map((bytes) => ({ kind: "bytes" as const, bytes: Buffer.from(bytes) })),
    fc.constantFrom({ kind: "ignore-range" as const }, { kind: "other-range" as const }),
  );
  const property = fc.asyncProperty(fc.array(fault, { maxLength: 12 }), async (faults) => {
    await rm(home(), { recursive: true, force: true });
    const left = [...faults];
    hub.fault = () => left.shift();
    const fast = { attempts: 2, firstDelaySeconds: 0, stallSeconds: 5 };
    while (left.length > 0) {
      const result = await go("acme/tiny", { retry: fast, replace: false }).catch((error: unknown) => error);
      if (!isKvDistillError(result)) break;
      expect(await listed("models")).toEqual([]);
    }
    left.length = 0;
    await go();
    for (const [name, bytes] of tiny) expect(await pulledBytes(name)).toEqual(bytes);
    expect(await listed("downloads")).toEqual([]);
  });
  await fc.assert(property, { numRuns: 10 });
});

test("the stand-in's blob ids are git's", () => {
  // `git hash-object test/golden/gguf-models/llama/config.json`
  expect(gitBlob(tiny.get("config.json") ?? Buffer.of())).toBe("bd565ca958d28d09164a0a334110405d261680b9");
});
