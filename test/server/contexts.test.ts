import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isRaggedCache, keyValueBytes } from "../../src/cache/kv-cache.ts";
import { loadKvd } from "../../src/cache/load-kvd.ts";
import { saveKvd } from "../../src/cache/save-kvd.ts";
import { compress } from "../../src/compress/compress-text.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { type Json, jsonOf, parseJson } from "./json.ts";
import { BASE, eventsOf, requestOf, TEXT, type TinyServer, useTinyServers } from "./tiny-server.ts";

const { model, work } = useTinyModel("llama");
const server = useTinyServers(model);
const streaming = { text: TEXT, method: "streaming" } as const;

const upload = (own: TinyServer, bytes: Uint8Array<ArrayBuffer>): Promise<Response> =>
  own.app.fetch(
    new Request(`${BASE}/v1/contexts/upload`, {
      method: "POST",
      body: bytes,
      headers: { "Content-Length": String(bytes.length) },
    }),
  );

describe("a context", () => {
  test("is the library's: budget in part, tokens or bytes, rows, bytes and file", async () => {
    const own = await server();
    const rowBytes = keyValueBytes(model().config, 1, 2);
    for (const [keep, asked, wanted] of [
      ["25%", { fraction: 0.25 }, 0.25],
      [{ tokens: 9 }, { tokens: 9 }, { tokens: 9 }],
      [{ bytes: 12 * rowBytes + 1 }, { bytes: 12 * rowBytes + 1 }, { bytes: 12 * rowBytes }],
    ] as const) {
      const made = await own.json("POST /v1/contexts", { ...streaming, keep }, 201);
      const cache = await compress(model(), TEXT, { keep: wanted, method: "streaming" });
      const rows = cache.positions.length;
      expect(made).toMatchObject({
        object: "context",
        method: "streaming",
        tokens: cache.contextLength,
        asked,
        obtained: { tokens: rows, bytes: rows * rowBytes, fraction: rows / cache.contextLength },
        rows,
        key_value_bytes: rows * rowBytes,
        full_key_value_bytes: cache.contextLength * rowBytes,
        span: { start: 0, end: cache.contextLength },
      });
      expect(made.timings.compress_seconds).toBeGreaterThan(0);
      expect(made).not.toHaveProperty("fidelity");
      const told = await own.json(`GET /v1/contexts/${made.id}`);
      expect(made).toMatchObject(told);
      const path = own.service.store.get("local", made.id).path;
      const stored = await loadKvd(path);
      expect(stored.positions).toEqual(cache.positions);
      expect(stored.tokenIds).toEqual(cache.tokenIds);
    }
    const list = await own.json("GET /v1/contexts");
    expect(list.data).toHaveLength(3);
  });

  test("with an adapter, and without one told that another method is needed", async () => {
    const made = await (await server({ adapter: true })).json("POST /v1/contexts", { text: TEXT, keep: "25%" }, 201);
    expect(made.method).toBe("kv-distill");
    const refused = await (await server()).json("POST /v1/contexts", { text: TEXT, keep: "25%" }, 400);
    expect(refused.error).toMatchObject({ code: "bad-argument", param: "method", type: "invalid_request_error" });
  });

  test("of messages: everything, or the marked part", async () => {
    const own = await server();
    const messages = [
      { role: "system", content: "be brief" },
      { role: "user", content: `${TEXT} <|kv-distill|>${TEXT}<|/kv-distill|>` },
    ];
    const marked = await own.json("POST /v1/contexts", { messages, keep: { tokens: 5 }, method: "streaming" }, 201);
    const span = marked.span.end - marked.span.start;
    expect(marked.span.start).toBeGreaterThan(20);
    expect(marked.rows).toBe(marked.tokens - span + 5);
    const plain = [{ role: "user", content: TEXT }];
    const whole = await own.json("POST /v1/contexts", { messages: plain, keep: { tokens: 5 }, method: "h2o" }, 201);
    expect(whole).toMatchObject({ rows: 5, span: { start: 0, end: whole.tokens } });
    const answered = [...plain, { role: "assistant", content: "yes" }];
    await own.json("POST /v1/contexts", { messages: answered, keep: "50%", method: "h2o" }, 400);
  });

  test("tells how it goes on, and ends with the context or the reason", async () => {
    const own = await server();
    const accept = { Accept: "text/event-stream" };
    const body = { ...streaming, text: TEXT.repeat(8), keep: "25%", fold: 50 };
    const response = await own.ask("POST /v1/contexts", body, accept);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = await eventsOf(response);
    const progress = events.filter(({ event }) => event === "progress").map(({ data }) => parseJson(data));
    expect(progress.length).toBeGreaterThan(3);
    expect(progress[0]?.tokens).toBe(0);
    expect(progress.at(-1)?.tokens).toBe(progress.at(-1)?.total);
    for (const [i, { tokens }] of progress.entries())
      expect(tokens).toBeGreaterThanOrEqual(progress[i - 1]?.tokens ?? 0);
    const done = events.at(-1);
    expect(done?.event).toBe("done");
    const made = parseJson(done?.data ?? "");
    expect(await own.json(`GET /v1/contexts/${made.id}`)).toMatchObject({ rows: made.rows });
    expect(own.service.jobs.queue.active).toBe(0);

    // What is the request's fault is told by the status, before any event.
    expect((await own.ask("POST /v1/contexts", { ...streaming, keep: { tokens: 1 } }, accept)).status).toBe(400);
    expect((await own.ask("POST /v1/contexts", { ...body, fold: false, keep: "25%" }, accept)).status).toBe(400);
  });

  test("fidelity, where it is asked for: nothing is lost when everything is kept, something otherwise", async () => {
    const own = await server();
    const ask = (keep: string, fidelity: unknown): Promise<Json> =>
      own.json("POST /v1/contexts", { text: TEXT, method: "h2o", keep, fidelity }, 201);
    for (const fidelity of [true, { questions: ["who sat?", "where?"] }]) {
      const same = (await ask("100%", fidelity)).fidelity;
      expect(same.forward_kl).toBeLessThan(1e-6);
      expect(same.top1).toBe(1);
      expect(same.questions).toBe(fidelity === true ? 1 : 2);
    }
    expect((await ask("10%", true)).fidelity.forward_kl).toBeGreaterThan(1e-6);
  });

  test("is gone when it is deleted, file and all", async () => {
    const own = await server();
    const { id } = await own.json("POST /v1/contexts", { ...streaming, keep: "50%" }, 201);
    expect(await readdir(join(own.folder, "local"))).toEqual([`${id}.kvd`]);
    expect(await own.json(`DELETE /v1/contexts/${id}`)).toMatchObject({ id, deleted: true });
    expect(await readdir(join(own.folder, "local"))).toEqual([]);
    await own.json(`GET /v1/contexts/${id}`, undefined, 404);
    await own.json(`DELETE /v1/contexts/${id}`, undefined, 404);
  });
});

test("of heads with different numbers of rows: made, judged, told, read, downloaded and uploaded", async () => {
  const own = await server();
  const rowBytes = keyValueBytes(model().config, 1, 2);
  const body = { text: TEXT, method: "kvzip", keep: { tokens: 12 }, fidelity: true };
  const made = await own.json("POST /v1/contexts", body, 201);
  expect(made).toMatchObject({ method: "kvzip", rows: 12, key_value_bytes: 12 * rowBytes, obtained: { tokens: 12 } });
  expect(made.fidelity.forward_kl).toBeGreaterThan(0);
  const path = own.service.store.get("local", made.id).path;
  expect(isRaggedCache(await loadKvd(path))).toBe(true);
  await own.json(`GET /v1/contexts/${made.id}/text`);
  const question = { model: "llama", context: made.id, max_tokens: 3, temperature: 0 };
  const messages = [{ role: "user", content: "who sat?" }];
  const reply = await own.json("POST /v1/chat/completions", { ...question, messages });
  expect(reply.usage.prompt_tokens_details).toMatchObject({ compressed_tokens: made.tokens, kept_tokens: 12 });
  const talk = await own.json("POST /v1/conversations", { context: made.id }, 201);
  expect(talk).toMatchObject({ rows: 12, key_value_bytes: 2 * 12 * rowBytes, kept_tokens: 12 });
  const again = await upload(own, new Uint8Array(await readFile(path)));
  expect(await jsonOf(again)).toMatchObject({ rows: 12, key_value_bytes: 12 * rowBytes });
});

describe("files", () => {
  test("what is downloaded is the stored file and can be uploaded again", async () => {
    const own = await server();
    const { id, rows } = await own.json("POST /v1/contexts", { ...streaming, keep: "50%" }, 201);
    const response = await own.ask(`GET /v1/contexts/${id}/kvd`);
    expect(response.headers.get("content-disposition")).toBe(`attachment; filename="${id}.kvd"`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(bytes).toEqual(new Uint8Array(await readFile(join(own.folder, "local", `${id}.kvd`))));
    const again = await upload(own, bytes);
    expect(again.status).toBe(201);
    const other = await jsonOf(again);
    expect(other.rows).toBe(rows);
    expect(other.id).not.toBe(id);
  });

  test("S17: damaged, cut, foreign and misfit files are refused and leave nothing", async () => {
    const own = await server();
    const cache = await compress(model(), TEXT, { keep: 0.5, method: "streaming" });
    const path = join(work(), "upload.kvd");
    const fileOf = async (change: Partial<typeof cache>): Promise<Uint8Array<ArrayBuffer>> => {
      await saveKvd(path, { ...cache, ...change });
      return new Uint8Array(await readFile(path));
    };
    const good = await fileOf({});
    const flipped = good.slice();
    flipped[good.length - 100] = (flipped[good.length - 100] ?? 0) ^ 1;
    const { provenance } = cache;
    const ids = cache.tokenIds ?? new Int32Array();
    const cases: readonly (readonly [Uint8Array<ArrayBuffer>, number, string])[] = [
      [flipped, 400, "checksum-mismatch"],
      [good.slice(0, -7), 400, "bad-file"],
      [new TextEncoder().encode("not a cache"), 400, "bad-file"],
      [await fileOf({ provenance: { ...provenance, modelHash: "0".repeat(64) } }), 422, "model-mismatch"],
      [await fileOf({ provenance: { ...provenance, tokenizerHash: "0".repeat(64) } }), 422, "model-mismatch"],
      // Claims this model's hash and has other shapes.
      [await fileOf({ layers: cache.layers.slice(0, 1) }), 422, "model-mismatch"],
      [await fileOf({ tokenIds: ids.map((id, i) => (i === 0 ? 5000 : id)) }), 422, "model-mismatch"],
    ];
    for (const [bytes, status, code] of cases) {
      const response = await upload(own, bytes);
      const { error } = await jsonOf(response);
      expect([response.status, error.code]).toEqual([status, code]);
      expect(error.message).not.toContain(own.folder);
    }
    expect(await readdir(join(own.folder, "local"))).toEqual([]);
    expect(own.service.store.bytes).toBe(0);
  });

  test("an upload must say its length and keep to it", async () => {
    const own = await server({ limits: { uploadBytes: 1000 } });
    const post = (body: string, length: Record<string, string>): Promise<Response> =>
      own.app.fetch(new Request(`${BASE}/v1/contexts/upload`, { method: "POST", body, headers: length }));
    expect((await post("abc", {})).status).toBe(400);
    expect((await post("abc", { "Content-Length": "1001" })).status).toBe(413);
    expect((await post("a".repeat(600), { "Content-Length": "500" })).status).toBe(413);
  });
});

describe("the store", () => {
  const keep = { tokens: 10 };

  test("is found again by the next server, half-written files swept, others left alone", async () => {
    const own = await server();
    const made = await own.json("POST /v1/contexts", { ...streaming, keep }, 201);
    await writeFile(join(own.folder, "local", "notes.txt"), "mine");
    await writeFile(join(own.folder, "local", `ctx_${"0".repeat(32)}.kvd`), "broken");
    const next = await server({ folder: own.folder });
    const { data } = await next.json("GET /v1/contexts");
    expect(data).toHaveLength(1);
    expect(data[0]).toMatchObject({ id: made.id, rows: 10, created: made.created });
    expect(next.log.join("")).toContain("left out");
    expect(await readdir(join(own.folder, "local"))).toContain("notes.txt");
  });

  test("over the quota the least recently used go, never one that is new", async () => {
    const first = await server();
    const { file_bytes: bytes } = await first.json("POST /v1/contexts", { ...streaming, keep }, 201);
    // Room is made for the largest that such a file can be.
    const own = await server({ limits: { quotaBytes: 3 * bytes + 66_000 } });
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      ids.push((await own.json("POST /v1/contexts", { ...streaming, keep }, 201)).id);
      // Use is told apart by milliseconds.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await (await own.ask(`GET /v1/contexts/${ids[0] ?? ""}/kvd`)).arrayBuffer();
    const { id } = await own.json("POST /v1/contexts", { ...streaming, keep }, 201);
    const left = (await own.json("GET /v1/contexts")).data.map((context) => context.id);
    expect(left).toContain(id);
    expect(left).toContain(ids[0]);
    expect(left).not.toContain(ids[1]);
    expect(own.service.store.bytes).toBeLessThanOrEqual(3 * bytes + 66_000);
    const tight = await server({ limits: { quotaBytes: 1000 } });
    expect((await tight.ask("POST /v1/contexts", { ...streaming, keep })).status).toBe(413);
  });

  test("S16: limits: contexts of one client, tokens of a text, bytes of a body", async () => {
    const own = await server({ limits: { contexts: 1, contextTokens: 60, bodyBytes: 2000 } });
    await own.json("POST /v1/contexts", { ...streaming, keep }, 201);
    expect((await own.json("POST /v1/contexts", { ...streaming, keep }, 429)).error.code).toBe("too-many");
    const long = { ...streaming, keep, fold: true, text: TEXT.repeat(10) };
    expect((await own.json("POST /v1/contexts", long, 413)).error.message).toContain("60");
    expect((await own.json("POST /v1/contexts", { ...long, text: TEXT.repeat(50) }, 413)).error.message).toContain(
      "2.00 kB",
    );
  });

  test("S16: limits: what a request compresses in place, and messages, wherever they are sent", async () => {
    const own = await server({ limits: { contextTokens: 20, messages: 2 } });
    const [document, question] = [TEXT, "what now?"].map((content) => ({ role: "user", content }));
    const over = async (route: string, body: unknown, message: string, param: string): Promise<void> => {
      const { error } = await own.json(route, body, 413);
      expect(error).toMatchObject({ code: "too-large", param });
      expect(error.message).toContain(message);
    };
    const asked = { model: "llama", keep, method: "streaming", max_tokens: 2 };
    await over("POST /v1/chat/completions", { ...asked, messages: [document, question] }, "limit is 20", "keep");
    const marked = `<|kv-distill|>${TEXT}<|/kv-distill|> and then`;
    await over("POST /v1/completions", { ...asked, prompt: marked }, "limit is 20", "keep");
    const { id } = await own.json("POST /v1/conversations", { messages: [document] }, 201);
    const span = { from: 0, to: 1, keep, method: "streaming" };
    await over(`POST /v1/conversations/${id}/compress`, span, "limit is 20", "to");
    const messages = [document, question, question];
    await over("POST /v1/contexts", { messages, keep, method: "streaming" }, "2 messages", "messages");
    await over("POST /v1/chat/completions", { ...asked, messages }, "2 messages", "messages");
    await over("POST /v1/conversations", { messages }, "2 messages", "messages");
  });
});

test("all faults of a body are told at once, as the API writes errors", async () => {
  const own = await server();
  const { error } = await own.json("POST /v1/contexts", { text: 5, keep: "1", seed: -1, colour: "red" }, 400);
  expect(error).toMatchObject({ type: "invalid_request_error", code: "bad-argument" });
  for (const field of ["text", "keep", "seed", "colour"]) expect(error.message).toContain(field);
  const raw = (body: string, type = "application/json"): Promise<Response> =>
    own.app.fetch(new Request(`${BASE}/v1/contexts`, { method: "POST", body, headers: { "Content-Type": type } }));
  expect((await raw("{")).status).toBe(400);
  expect((await raw('{"text":"a","text":"b"}')).status).toBe(400);
  expect((await raw("[".repeat(100))).status).toBe(413);
  expect((await raw("{}", "text/plain")).status).toBe(415);
  expect((await own.app.fetch(requestOf("POST /v1/contexts"))).status).toBe(415);
});
