import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";

/** A Redis server of the tests' own, with an append-only file. */
export interface TestRedis {
  readonly port: number;
  readonly url: string;
  /** A connection, which the caller closes. */
  client(): Redis;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Whether there is a server to start; tools/ci/redis-server.sh installs Debian's. */
export const redisServer = spawnSync("redis-server", ["--version"]).status === 0;
if (!redisServer) console.warn("without redis-server on the PATH the tests with a queue are skipped");

/**
 * Starts Debian's redis-server on a free port of this machine.
 * @param extra further arguments, as `--requirepass`
 */
export async function startRedis(folder: string, extra: readonly string[] = []): Promise<TestRedis> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const password = extra.includes("--requirepass") ? extra[extra.indexOf("--requirepass") + 1] : undefined;
  const secret = password === undefined ? {} : { password };
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const files = ["--dir", folder, "--appendonly", "yes", "--save", ""];
    child = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", ...files, ...extra], {
      stdio: "ignore",
    });
    const client = new Redis({ host: "127.0.0.1", port, ...secret, retryStrategy: () => 50 });
    client.on("error", () => undefined);
    while ((await client.ping().catch(() => "")) !== "PONG") await pause(50);
    client.disconnect();
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
    child = undefined;
  };
  await start();
  return {
    port,
    url: `redis://${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    client: () => new Redis({ host: "127.0.0.1", port, ...secret }),
    kill: () => end("SIGKILL"),
    restart: start,
    stop: () => end("SIGTERM"),
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
