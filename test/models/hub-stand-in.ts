import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** A request as the hub or its file host saw it. */
export interface Seen {
  readonly host: "hub" | "cdn";
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  /** Name of the file that is asked for; undefined for the API. */
  readonly file: string | undefined;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
  readonly encoding: string | undefined;
}

/** What the hub does with a request instead of answering it. */
export type Fault =
  | { readonly kind: "cut" | "hang"; readonly after: number }
  | { readonly kind: "status"; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "ignore-range" | "other-range" };

export interface HubRepo {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly licence?: string;
  /** Changes what the API says before it is sent. */
  readonly edit?: (answer: ApiModel) => unknown;
}

export interface ApiModel {
  sha: string;
  siblings: { rfilename: string; size?: number; blobId?: string; lfs?: { size: number; sha256: string } }[];
  [other: string]: unknown;
}

export interface HubStandIn {
  readonly url: string;
  readonly requests: Seen[];
  readonly repos: Map<string, HubRepo>;
  /** Asked before every answer; undefined lets the hub answer as it should. */
  fault: (seen: Seen) => Fault | undefined;
  readonly close: () => Promise<void>;
}

/** The commit that all revisions of all repositories have. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
export const gitBlob = (bytes: Buffer): string =>
  createHash("sha1").update(`blob ${bytes.length.toString()}\0`).update(bytes).digest("hex");

/** As on the hub, weights and other large files lie elsewhere and the repository holds a pointer. */
const isLarge = (name: string): boolean => /\.(safetensors|bin|gguf|parquet)$/.test(name);

/** All files of a folder. */
export async function readRepo(folder: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(folder)) files.set(name, await readFile(join(folder, name)));
  return files;
}

/**
 * A stand-in for the Hugging Face hub: the model API with `blobs=true`, `resolve` with ETag and Range, large files behind a
 * redirect to another host.
 */
export async function startHub(): Promise<HubStandIn> {
  const requests: Seen[] = [];
  const repos = new Map<string, HubRepo>();
  const objects = (): Map<string, [string, Buffer]> =>
    new Map([...repos.values()].flatMap(({ files }) => [...files].map((file) => [sha256(file[1]), file] as const)));
  let cdnUrl = "";

  const handle = (host: Seen["host"], answer: Answer) => (request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(new URL(request.url ?? "", "http://x").pathname);
    const file = host === "cdn" ? objects().get(path.slice(1))?.[0] : /\/resolve\/[^/]+\/(.+)$/.exec(path)?.[1];
    const { range, authorization } = request.headers;
    const encoding = request.headers["accept-encoding"];
    const seen = { host, method: request.method ?? "", path, file, range, authorization, encoding: String(encoding) };
    requests.push(seen);
    const fault = hub.fault(seen);
    if (fault?.kind === "status") response.writeHead(fault.status, fault.headers).end("no");
    else answer(seen, request.url ?? "", response, fault);
  };

  const cdn = createServer(
    handle("cdn", (seen, _, response, fault) => {
      const found = objects().get(seen.path.slice(1));
      if (found === undefined) response.writeHead(404).end();
      else sendFile(seen, response, found[1], fault, {});
    }),
  );
  const server = createServer(
    handle("hub", (seen, url, response, fault) => {
      const [, apiRepo] = /^\/api\/(?:models|datasets)\/([^/]+\/[^/]+)(?:\/revision\/.+)?$/.exec(seen.path) ?? [];
      const [, repoName = "", name = ""] =
        /^\/(?:datasets\/)?([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(seen.path) ?? [];
      const repo = repos.get(apiRepo ?? repoName);
      if (repo === undefined) {
        response.writeHead(401, { "x-error-code": "RepoNotFound", "x-error-message": "Repository not found" }).end();
        return;
      }
      if (apiRepo !== undefined) {
        const answer = apiModel(apiRepo, repo, url.includes("blobs=true"));
        const text = JSON.stringify(repo.edit?.(answer) ?? answer);
        response
          .writeHead(200, { "content-type": "application/json" })
          .end(fault?.kind === "bytes" ? fault.bytes : text);
        return;
      }
      const bytes = repo.files.get(name);
      if (bytes === undefined) {
        response.writeHead(404, { "x-error-code": "EntryNotFound" }).end("Entry not found");
        return;
      }
      const headers: Record<string, string> = { "x-repo-commit": COMMIT };
      if (!isLarge(name)) {
        sendFile(seen, response, bytes, fault, { ...headers, etag: `"${gitBlob(bytes)}"` });
        return;
      }
      const linked = { "x-linked-size": bytes.length.toString(), "x-linked-etag": `"${sha256(bytes)}"` };
      response.writeHead(302, { ...headers, ...linked, location: `${cdnUrl}/${sha256(bytes)}` }).end();
    }),
  );
  cdnUrl = await listen(cdn);
  const hub: HubStandIn = {
    url: await listen(server),
    requests,
    repos,
    fault: () => undefined,
    close: async () => {
      for (const each of [server, cdn]) {
        each.closeAllConnections();
        await new Promise((done) => each.close(done));
      }
    },
  };
  return hub;
}

type Answer = (seen: Seen, url: string, response: ServerResponse, fault: Fault | undefined) => void;

function apiModel(id: string, { files, licence }: HubRepo, blobs: boolean): ApiModel {
  const siblings = [...files].map(([rfilename, bytes]) => ({
    rfilename,
    ...(blobs ? { size: bytes.length, blobId: gitBlob(bytes) } : {}),
    ...(blobs && isLarge(rfilename) ? { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}),
  }));
  const cardData = licence === undefined ? {} : { cardData: { license: licence } };
  return { _id: "1", id, modelId: id, sha: COMMIT, private: false, gated: false, siblings, ...cardData };
}

function sendFile(
  { method, range }: Seen,
  response: ServerResponse,
  content: Buffer,
  fault: Fault | undefined,
  extra: Record<string, string>,
): void {
  const bytes = fault?.kind === "bytes" ? fault.bytes : content;
  const asked = fault?.kind === "ignore-range" ? undefined : /^bytes=(\d+)-$/.exec(range ?? "")?.[1];
  const start = Number(asked ?? 0) - (fault?.kind === "other-range" && asked !== undefined ? 1 : 0);
  if (asked !== undefined && start >= bytes.length) {
    response.writeHead(416, { "content-range": `bytes */${bytes.length.toString()}` }).end();
    return;
  }
  const rest = bytes.subarray(start);
  const part = `bytes ${start.toString()}-${(bytes.length - 1).toString()}/${bytes.length.toString()}`;
  response.writeHead(asked === undefined ? 200 : 206, {
    "content-length": rest.length.toString(),
    "accept-ranges": "bytes",
    ...(asked === undefined ? {} : { "content-range": part }),
    ...extra,
  });
  if (method === "HEAD") response.end();
  else if (fault?.kind === "cut" || fault?.kind === "hang") {
    const cut = () => setTimeout(() => response.destroy(), 30);
    response.write(rest.subarray(0, fault.after), fault.kind === "cut" ? cut : undefined);
  } else response.end(rest);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}`;
}
