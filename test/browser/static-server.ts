import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

export interface StaticServer {
  readonly url: string;
  /** Paths asked for so far, in order. */
  readonly asked: string[];
  close(): Promise<void>;
}

/**
 * Serves folders on the loopback interface.
 * @param folders by the first part of the path; "" for all other paths
 * @param isolated whether pages get the headers that threads need
 */
export async function serveFolders(folders: Readonly<Record<string, string>>, isolated = true): Promise<StaticServer> {
  const asked: string[] = [];
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    const [, first = "", ...rest] = path.split("/");
    const folder = folders[first];
    const file = folder === undefined ? join(folders[""] ?? "", path) : join(folder, rest.join("/"));
    const facts = await stat(file).catch(() => undefined);
    if (facts?.isFile() !== true) {
      response.writeHead(404).end();
      return;
    }
    const isolation = {
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    };
    response.writeHead(200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "content-length": facts.size,
      ...(isolated ? isolation : {}),
    });
    createReadStream(file).pipe(response);
  };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname));
    asked.push(path);
    void answer(path === "/" ? "/index.html" : path, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
