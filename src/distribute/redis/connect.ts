import { isIP } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { KvDistillError, messageOf } from "../../util/errors.ts";
import type { RedisAddress } from "./address.ts";

const FIRST_CONNECTION_SECONDS = 10;
const LONGEST_PAUSE_MILLISECONDS = 5000;
/** By which a timer may be early or late. */
const TIMER_MILLISECONDS = 50;
/** Silence for so long after a command means that the network is cut without a sign: connect anew. Blocking reads last 5 seconds. */
const SILENCE_SECONDS = 20;

/** How every connection is made: lost ones are tried again for ever, so that a run outlives its Redis server's restart. */
export function connectionOptions(address: RedisAddress) {
  const { host, port, username, password, database: db, tls } = address;
  return {
    host,
    port,
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    // TLS knows no server names that are addresses.
    ...(tls ? { tls: isIP(host) === 0 ? { servername: host } : {} } : {}),
    maxRetriesPerRequest: null,
    connectTimeout: FIRST_CONNECTION_SECONDS * 1000,
    socketTimeout: SILENCE_SECONDS * 1000,
    keepAlive: 10_000,
    retryStrategy: (times: number) => Math.min(times * 200, LONGEST_PAUSE_MILLISECONDS),
  };
}

/** Connections that can be left while the server is gone. */
export interface LeavableConnection {
  readonly options: Omit<ReturnType<typeof connectionOptions>, "retryStrategy"> & {
    readonly retryStrategy: (times: number) => number | null;
  };
  /** After the stop: resolves when they can be closed. */
  settled(): Promise<void>;
}

/** @param stop after it a connection that is lost is not tried again */
export function leavableConnection(address: RedisAddress, stop: AbortSignal): LeavableConnection {
  const options = connectionOptions(address);
  let nextTry = -Infinity;
  const retryStrategy = (times: number): number | null => {
    if (stop.aborted) return null;
    const delay = options.retryStrategy(times);
    nextTry = Math.max(nextTry, performance.now() + delay);
    return delay;
  };
  return {
    options: { ...options, retryStrategy },
    // ioredis never tells that a connection has ended that is closed while it waits for its next try, and BullMQ waits to be told.
    settled: async () => {
      const left = nextTry - performance.now();
      if (left > 0) await pause(left + TIMER_MILLISECONDS);
    },
  };
}

/**
 * Sees whether the server is there and lets us in, so that a wrong address is told at once and not waited for.
 * @throws KvDistillError `network`
 */
export async function checkConnection(address: RedisAddress): Promise<void> {
  const { Redis } = await import("ioredis");
  const client = new Redis({ ...connectionOptions(address), lazyConnect: true, retryStrategy: () => null });
  let fault: unknown;
  client.on("error", (error: unknown) => {
    fault = error;
  });
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    throw new KvDistillError("network", "the queue cannot be reached", {
      where: address.shown,
      got: messageOf(fault ?? error),
      hint: "is the Redis server running there, and are user, password and TLS right?",
      cause: error,
    });
  } finally {
    client.disconnect();
  }
}
