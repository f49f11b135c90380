import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { systemCodeOf } from "../util/disk-error.ts";
import { KvDistillError, messageOf } from "../util/errors.ts";
import type { App } from "./app.ts";

export interface ListenOptions {
  /** Address or name to listen on. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** Takes no more requests, and waits a moment for those in progress. */
  close(): Promise<void>;
}

/** Milliseconds that connections have to end by themselves. */
const GRACE = 2000;

/** Milliseconds that an idle connection stays open: longer than clients keep theirs, or a request meets a connection that is being closed. */
const KEEP_ALIVE = 65_000;

/**
 * Listens for requests.
 * @throws KvDistillError `bad-argument` when the address cannot be listened on
 */
export async function listen(app: App, { host, port }: ListenOptions): Promise<Listening> {
  const server = await new Promise<Server>((resolve, reject) => {
    const own = serve(
      { fetch: (request) => app.fetch(request), hostname: host, port, overrideGlobalObjects: false },
      () => {
        own.off("error", reject);
        const started = own as Server;
        started.keepAliveTimeout = KEEP_ALIVE;
        resolve(started);
      },
    );
    own.once("error", reject);
  }).catch((error: unknown) => {
    throw new KvDistillError("bad-argument", "cannot listen", {
      where: `${host}:${port}`,
      got: systemCodeOf(error) ?? messageOf(error),
      hint:
        systemCodeOf(error) === "EADDRINUSE"
          ? "another program has this port: choose another (--port)"
          : "check --host and --port",
      cause: error,
    });
  });
  const { port: obtained } = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name}:${obtained}`,
    port: obtained,
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => {
          server.closeAllConnections();
        }, GRACE);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}
