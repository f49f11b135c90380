import { createHash } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { LanguageModel } from "../../../src/models/language-model.ts";
import { openModel } from "../../../src/models/open.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { allowedHosts } from "../../../src/server/access/hosts.ts";
import { createTokens } from "../../../src/server/access/tokens.ts";
import { type App, createApp } from "../../../src/server/app.ts";
import { createService } from "../../../src/server/create-service.ts";
import { localEncoder } from "../../../src/server/encoder/encoder.ts";
import { DEFAULT_LIMITS } from "../../../src/server/limits.ts";
import { isJsonObject } from "../../../src/util/strict-json.ts";
import { createLogger } from "../../../src/util/log.ts";
import { tinyModel } from "../../models/tiny-models.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { shownBytes } from "../make/case.ts";
import type { Dice } from "../make/dice.ts";
import { hostileText } from "../make/hostile.ts";
import { printTree, type Tree, treeOf } from "../make/json-tree.ts";
import { mutateSafetensors, safetensorsParts } from "../make/safetensors-parts.ts";
import { mutateJson } from "../make/text.ts";
import { type Case, must, type Target } from "../target.ts";
import { summed } from "./kvd.ts";

const BASE = "http://localhost";
const TEXT = "the cat sat on the mat and the dog sat on the log";
/** What a request may be answered with; anything else is a failure of the server. */
const ANSWERS = [200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429];

/** In paths, in place of the conversation that every case finds as it was. */
const CONVERSATION = "CONVERSATION";
const UPLOAD = "/v1/contexts/upload";
/** Of the damages of an uploaded file one in so many is sent. */
const DAMAGES_APART = 7;

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

/** Every route of the server as a function of requests, with a real model behind it. */
export const http: Target = {
  name: "http",
  share: 10,
  open: async (scratch) => {
    const home = process.env.KV_DISTILL_HOME;
    process.env.KV_DISTILL_HOME = join(scratch, "home");
    const model = new LanguageModel(await openModel(tinyModel("llama")), await createRuntime({ threads: 1 }));
    if (home === undefined) delete process.env.KV_DISTILL_HOME;
    else process.env.KV_DISTILL_HOME = home;
    const log: string[] = [];
    const folder = join(scratch, "contexts");
    const service = await createService({
      model,
      adapter: undefined,
      encoder: localEncoder(model.files.tokenizer),
      folder,
      limits: { ...DEFAULT_LIMITS, bodyBytes: 1 << 18, uploadBytes: 1 << 18, contexts: 20, conversations: 8 },
      log: createLogger("info", (line) => log.push(line)),
    });
    const access = { tokens: createTokens([]), hosts: allowedHosts("127.0.0.1", []), origins: new Set<string>() };
    const app = createApp({ service, access });
    const first = await makeContext(app);
    const stored = service.store.get("local", first).path;
    const whole = await readFile(stored);
    const kept = { id: first, sum: sha256(whole) };
    let conversation = await makeConversation(app);
    const routes = requestsOf(first);
    for (const route of app.routes)
      must(
        routes.some((own) => isOf(own, route)),
        `no request of ${route}`,
      );
    const parts = safetensorsParts(whole);

    const make = (asked: Asked): Case => ({
      bytes: asked.body?.length ?? 0,
      shown: () =>
        `${asked.method} ${asked.path}\n${JSON.stringify(asked.headers)}\n${asked.body === undefined ? "" : shownBytes(asked.body)}`,
      run: async () => {
        log.length = 0;
        const before = await readdir(join(folder, "local"));
        const response = await app.fetch(requestOf({ ...asked, path: asked.path.replace(CONVERSATION, conversation) }));
        const text = await response.text();
        must(ANSWERS.includes(response.status), `status ${response.status}: ${text}`);
        must(!log.some((line) => line.includes("[internal]")), log.join("\n"));
        must(!text.includes("[internal]") && !text.includes('"code":"internal"'), text.slice(0, 1000));
        must(!text.includes(scratch), `a path of this machine is told: ${text.slice(0, 300)}`);
        if (response.status >= 400) must(text.length < 40_000 && isProblem(text), `no problem: ${text.slice(0, 300)}`);
        else await takeAway(app, asked, text);
        if (asked.path.includes(CONVERSATION)) conversation = await anew(app, conversation);
        await checkWhole(app, before, folder, stored, kept);
      },
    });
    return {
      make: (dice) => make(asking(routes, parts, whole, dice)),
      edges: function* () {
        for (const { method, path, body } of routes) {
          if (body === undefined || path === UPLOAD) continue;
          for (const bytes of damages(Buffer.from(printTree(body))))
            yield make({ method, path, headers: { "Content-Type": "application/json" }, body: bytes });
        }
        let place = 0;
        for (const bytes of damages(whole))
          if (place++ % DAMAGES_APART === 0)
            yield make({ method: "POST", path: UPLOAD, headers: {}, body: place % 2 === 0 ? bytes : summed(bytes) });
      },
      close: async () => {
        service.jobs.stop();
        await model.close();
        await rm(join(scratch, "contexts"), { recursive: true, force: true });
      },
    };
  },
};

/** Whether a request is one of a route's, `METHOD /fixed/:any`. */
function isOf({ method, path }: Route, route: string): boolean {
  const pattern = route.replaceAll(/:\w+/g, "[^/]+");
  return new RegExp(`^${pattern}$`).test(`${method} ${path}`);
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly body?: Tree;
}

/** Every route with a body that it takes. */
function requestsOf(context: string): readonly Route[] {
  const messages = [
    { role: "user", content: TEXT },
    { role: "assistant", content: "yes" },
    { role: "user", content: "who?" },
  ];
  const settings = { model: "llama", max_tokens: 2, temperature: 0.5, top_p: 0.9, seed: 1, stop: ["x"], stream: false };
  const post = (path: string, body: unknown): Route => ({ method: "POST", path, body: treeOf(body) });
  return [
    { method: "GET", path: "/health" },
    { method: "GET", path: "/metrics" },
    { method: "GET", path: "/v1/models" },
    { method: "GET", path: "/v1/models/llama" },
    { method: "GET", path: "/v1/contexts" },
    { method: "GET", path: `/v1/contexts/${context}` },
    { method: "GET", path: `/v1/contexts/${context}/kvd` },
    { method: "GET", path: `/v1/contexts/${context}/text` },
    { method: "GET", path: "/v1/runs" },
    { method: "GET", path: "/v1/runs/one" },
    { method: "GET", path: "/v1/runs/one/loss-curve" },
    { method: "GET", path: "/v1/runs/one/report" },
    { method: "DELETE", path: `/v1/contexts/ctx_${"0".repeat(32)}` },
    post("/v1/contexts", { text: TEXT, keep: "50%", method: "streaming", seed: 1, fold: false }),
    post("/v1/contexts", {
      messages,
      keep: { tokens: 9 },
      method: "random",
      marked: false,
      fidelity: { questions: ["who?"] },
    }),
    post(UPLOAD, {}),
    post("/v1/chat/completions", { ...settings, messages }),
    post("/v1/chat/completions", {
      ...settings,
      messages: messages.slice(2),
      context,
      stream: true,
      stream_options: { include_usage: true },
    }),
    post("/v1/chat/completions", { ...settings, messages, keep: { bytes: 100_000 }, method: "knorm" }),
    post("/v1/completions", { ...settings, prompt: [5, 6, 7], context }),
    post("/v1/completions", {
      ...settings,
      prompt: `a <|kv-distill|>${TEXT}<|/kv-distill|> b`,
      keep: "50%",
      method: "streaming",
    }),
    { method: "GET", path: "/v1/conversations" },
    { method: "GET", path: `/v1/conversations/${CONVERSATION}` },
    { method: "DELETE", path: "/v1/conversations/conv_0" },
    post("/v1/conversations", { messages: messages.slice(0, 2), context }),
    post("/v1/conversations", { messages: messages.slice(0, 2) }),
    post(`/v1/conversations/${CONVERSATION}/messages`, {
      content: [{ type: "text", text: "a" }],
      max_tokens: 1,
      stream: false,
    }),
    post(`/v1/conversations/${CONVERSATION}/compress`, { from: 0, to: 1, keep: "90%", method: "streaming", seed: 0 }),
  ];
}

const HEADERS = [
  "Host",
  "Origin",
  "Authorization",
  "Content-Type",
  "Accept",
  "Content-Length",
  "Range",
  "Expect",
  "X-Forwarded-For",
  "Transfer-Encoding",
];

function asking(
  routes: readonly Route[],
  parts: ReturnType<typeof safetensorsParts>,
  whole: Uint8Array,
  dice: Dice,
): Asked {
  const { method, path, body } = dice.pick(routes);
  const asked = {
    method: dice.chance(0.97) ? method : otherMethod(path, dice),
    path: dice.chance(0.93) ? path : hostilePath(path, dice),
  };
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (dice.chance(0.1)) headers[dice.pick(HEADERS)] = headerText(dice);
  if (dice.chance(0.05)) headers.Accept = "text/event-stream";
  if (asked.method === "GET" || asked.method === "HEAD") return { ...asked, headers, body: undefined };
  if (path.endsWith("/upload")) {
    const file = dice.chance(0.8) ? mutateSafetensors(parts, dice) : mutateBytes(whole, dice);
    const sent = dice.chance(0.6) ? summed(file) : file;
    return {
      ...asked,
      headers: {
        "Content-Length": String(
          dice.chance(0.9) ? sent.length : dice.pick([0, 1, sent.length - 1, sent.length + 1, 2 ** 31, 2 ** 53]),
        ),
        ...headers,
      },
      body: sent,
    };
  }
  return { ...asked, headers, body: body === undefined ? undefined : mutateJson(body, dice) };
}

/** The context that every case finds as it was is not deleted: that it is there afterwards would be the fault. */
function otherMethod(path: string, dice: Dice): string {
  const method = dice.pick(["PUT", "PATCH", "OPTIONS", "HEAD", "DELETE", "POST", "GET"]);
  return method === "DELETE" && /\/ctx_(?!0{32})/.test(path) ? "PUT" : method;
}

function hostilePath(path: string, dice: Dice): string {
  const parts = path.split("/");
  const at = 1 + dice.below(Math.max(1, parts.length - 1));
  parts[at] = dice.pick([
    "",
    "..",
    "%2e%2e",
    "%00",
    "%zz",
    "%ff",
    "*",
    ":id",
    "__proto__",
    "constructor",
    "x".repeat(5000),
    encodeURIComponent(hostileText(dice).replaceAll(/\p{Surrogate}/gu, "?")),
    "a%2Fb",
    "?",
    "a?b=c",
  ]);
  return parts.join("/");
}

/** Bytes that a header may hold; the request cannot be made with others. */
function headerText(dice: Dice): string {
  const text = dice.pick([
    "",
    "*",
    "null",
    "Bearer",
    "Bearer x",
    "evil.example",
    "localhost:99999",
    "application/json; charset=utf-16",
    "text/plain",
    "multipart/form-data",
    "-1",
    "1e9",
    "0x10",
    "999999999999",
    "bytes=0-",
    "chunked",
    hostileText(dice),
  ]);
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 2000);
}

function requestOf({ method, path, headers, body }: Asked): Request {
  const sent = body === undefined ? {} : { body: Uint8Array.from(body) };
  const plain = Object.fromEntries(
    Object.entries(headers).filter(([name]) => name !== "Transfer-Encoding" && name !== "Expect"),
  );
  return new Request(`${BASE}${path}`, { method, headers: plain, ...sent });
}

function isProblem(text: string): boolean {
  if (text === "") return true; // the answer to HEAD
  const json: unknown = JSON.parse(text);
  return (
    isJsonObject(json) &&
    isJsonObject(json.error) &&
    typeof json.error.code === "string" &&
    typeof json.error.message === "string"
  );
}

/** What a case has made is taken away, so that every case begins with the same server. */
async function takeAway(app: App, { method, path }: Asked, text: string): Promise<void> {
  if (method !== "POST" || !/^\/v1\/(contexts(\/upload)?|conversations)$/.test(path)) return;
  const id = /"id":"((?:ctx|conv)_[0-9a-f]+)"/.exec(text)?.[1];
  if (id === undefined) return;
  const kind = id.startsWith("ctx") ? "contexts" : "conversations";
  const response = await app.fetch(new Request(`${BASE}/v1/${kind}/${id}`, { method: "DELETE" }));
  must(response.status === 200, `${id} cannot be deleted`);
}

/** The same conversation again, whatever a case has said in it. */
async function anew(app: App, id: string): Promise<string> {
  const response = await app.fetch(new Request(`${BASE}/v1/conversations/${id}`, { method: "DELETE" }));
  must(response.status === 200 || response.status === 404, `${id} cannot be ended: ${response.status}`);
  return makeConversation(app);
}

async function checkWhole(
  app: App,
  before: readonly string[],
  folder: string,
  stored: string,
  kept: { readonly id: string; readonly sum: string },
): Promise<void> {
  const health = await app.fetch(new Request(`${BASE}/health`));
  must(health.status === 200, `health: ${health.status}`);
  const after = await readdir(join(folder, "local"));
  must(after.join() === before.join(), `files of contexts: ${after.join(", ")}`);
  must(sha256(await readFile(stored)) === kept.sum, "an earlier context was changed");
  must(
    (await app.fetch(new Request(`${BASE}/v1/contexts/${kept.id}`))).status === 200,
    "an earlier context is not there",
  );
}

async function makeContext(app: App): Promise<string> {
  return idOf(
    await app.fetch(
      requestOf({
        method: "POST",
        path: "/v1/contexts",
        headers: { "Content-Type": "application/json" },
        body: Buffer.from(JSON.stringify({ text: TEXT, keep: "50%", method: "streaming" })),
      }),
    ),
  );
}

async function makeConversation(app: App): Promise<string> {
  return idOf(
    await app.fetch(
      requestOf({
        method: "POST",
        path: "/v1/conversations",
        headers: { "Content-Type": "application/json" },
        body: Buffer.from(JSON.stringify({ messages: [{ role: "user", content: TEXT }] })),
      }),
    ),
  );
}

async function idOf(response: Response): Promise<string> {
  const text = await response.text();
  const id = /"id":"([a-z]+_[0-9a-f]+)"/.exec(text)?.[1];
  must(response.status === 201 && id !== undefined, `the server could not be set up: ${text}`);
  return id;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
