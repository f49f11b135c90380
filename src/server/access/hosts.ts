import { isIP } from "node:net";

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** The name of a Host header without its port, in lower case; undefined when it is none. */
export function hostName(header: string): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/.exec(header.toLowerCase())?.[1];
}

/** Whether only this machine can reach an address that is listened on. */
export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

/**
 * Names by which a server may be asked for, as Host headers write them. A page of another site that has its own name point here
 * (DNS rebinding) asks by that name.
 * @param listening address or name that is listened on
 * @param more names given by the person who runs it
 */
export function allowedHosts(listening: string, more: readonly string[]): ReadonlySet<string> {
  const own = isIP(listening) === 6 ? `[${listening}]` : listening;
  return new Set([...LOOPBACK_NAMES, own, ...more].map((name) => name.toLowerCase()));
}
