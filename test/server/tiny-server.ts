import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { AdapterSelection } from "../../src/cache/adapter.ts";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { allowedHosts } from "../../src/server/access/hosts.ts";
import { createTokens } from "../../src/server/access/tokens.ts";
import { type App, createApp } from "../../src/server/app.ts";
import { createService } from "../../src/server/create-service.ts";
import { localEncoder } from "../../src/server/encoder/encoder.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/server/limits.ts";
import type { Page } from "../../src/server/page/page.ts";
import type { Service } from "../../src/server/service.ts";
import { createLogger } from "../../src/util/log.ts";
import { tinyAdapter } from "../compress/tiny.ts";
import { type Json, jsonOf } from "./json.ts";

export const TEXT = "the cat sat on the mat and the dog sat on the log in 2019 and 2020 then they all went home again";
export const BASE = "http://localhost";

export interface TinyServerOptions {
  readonly limits?: Partial<Limits>;
  readonly tokens?: readonly string[];
  readonly origins?: readonly string[];
  /** Give kv-distill an adapter: one of a shared selection, or of the named one. */
  readonly adapter?: boolean | AdapterSelection;
  /** A folder that outlives the server. */
  readonly folder?: string;
  /** Folder of runs to show. */
  readonly runs?: string;
  readonly page?: Page;
}

export interface TinyServer {
  readonly app: App;
  readonly service: Service;
  readonly folder: string;
  /** Lines of the log. */
  readonly log: readonly string[];
  /** Asks with a JSON body, or none. */
  ask(route: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** The same, and the JSON of what must be an answer with this status. */
  json(route: string, body?: unknown, status?: number): Promise<Json>;
}

/** Servers on a tiny model for the tests of a file; each with a folder of its own, cleaned up after the test. */
export function useTinyServers(model: () => LanguageModel): (options?: TinyServerOptions) => Promise<TinyServer> {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const clean of cleanups.splice(0)) await clean();
  });
  return async ({ limits = {}, tokens = [], origins = [], adapter = false, folder, runs, page } = {}) => {
    const root = folder ?? (await mkdtemp(join(tmpdir(), "kv-distill-server-")));
    if (folder === undefined) cleanups.push(() => rm(root, { recursive: true, force: true }));
    const log: string[] = [];
    const selection = typeof adapter === "string" ? { selection: adapter } : {};
    const attached =
      adapter === false
        ? undefined
        : await attachAdapter(model(), tinyAdapter(model(), { gate: "sigmoid", ...selection }));
    const service = await createService({
      model: model(),
      adapter: attached,
      encoder: localEncoder(model().files.tokenizer),
      folder: root,
      runs,
      limits: { ...DEFAULT_LIMITS, ...limits },
      log: createLogger("debug", (line) => log.push(line)),
    });
    cleanups.push(() => {
      service.jobs.stop();
      attached?.release();
      return Promise.resolve();
    });
    const access = {
      tokens: createTokens(tokens),
      hosts: allowedHosts("127.0.0.1", []),
      origins: new Set(origins),
      page,
    };
    const app = createApp({ service, access });
    const ask = (route: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      app.fetch(requestOf(route, body, headers));
    return {
      app,
      service,
      folder: root,
      log,
      ask,
      json: async (route, body, status = 200) => {
        const response = await ask(route, body);
        const json = await jsonOf(response);
        if (response.status !== status) throw new Error(`${route}: ${response.status} ${JSON.stringify(json)}`);
        return json;
      },
    };
  };
}

/** `METHOD PATH` as a request, with a JSON body where there is one. */
export function requestOf(route: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Request {
  const [method = "GET", path = "/"] = route.split(" ");
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  return new Request(`${BASE}${path}`, { method, headers: { ...type, ...headers }, ...json });
}

/** Events of a stream: name and data. */
export async function eventsOf(response: Response): Promise<{ readonly event: string; readonly data: string }[]> {
  const text = await response.text();
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => ({
      event: /^event: (.*)$/m.exec(block)?.[1] ?? "message",
      data: /^data: (.*)$/m.exec(block)?.[1] ?? "",
    }));
}
