import { KvDistillError } from "../../util/errors.ts";

/** Environment variable that holds the password where the URL does not. */
export const PASSWORD_VARIABLE = "KV_DISTILL_QUEUE_PASSWORD";

/** Where a Redis server is, and how it is entered. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  readonly tls: boolean;
  /** For people: neither user nor password is in it. */
  readonly shown: string;
}

/**
 * `redis://[user:password@]host[:port][/database]`, `rediss://` for TLS.
 * @throws KvDistillError `bad-argument`; its message holds no password
 */
export function parseRedisUrl(
  text: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const faults: string[] = [];
  if (url === undefined) faults.push("it is no URL");
  else {
    if (url.protocol !== "redis:" && url.protocol !== "rediss:") faults.push(`there is no scheme ${url.protocol}//`);
    if (url.hostname === "") faults.push("it names no host");
    if (!/^\/?\d{0,9}$/.test(url.pathname)) faults.push("what follows the host is no number of a database");
    if (url.search !== "" || url.hash !== "") faults.push("nothing may follow the database");
  }
  const username = decoded(url?.username);
  const given = decoded(url?.password);
  if (username === undefined || given === undefined)
    faults.push("a % in user or password that is no part of %XX: write it as %25");
  if (url === undefined || username === undefined || given === undefined || faults.length > 0) {
    throw new KvDistillError("bad-argument", "not the address of a queue", {
      where: "--queue",
      expected: "redis://host:6379, or rediss://user:password@host:6379/0 with TLS",
      faults,
    });
  }
  const port = url.port === "" ? 6379 : Number(url.port);
  const database = Number(url.pathname.slice(1));
  const password = given === "" ? environment[PASSWORD_VARIABLE] : given;
  return {
    // Brackets around an IPv6 address are the URL's.
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    ...(username === "" ? {} : { username }),
    ...(password === undefined || password === "" ? {} : { password }),
    database,
    tls: url.protocol === "rediss:",
    shown: `${url.protocol}//${url.hostname}:${port}${database === 0 ? "" : `/${database}`}`,
  };
}

/** Part of a URL as it was meant; undefined when it was not encoded. */
function decoded(part = ""): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
