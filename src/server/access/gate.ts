import { Refusal } from "../http/refusal.ts";
import type { Page } from "../page/page.ts";
import { hostName } from "./hosts.ts";
import type { Tenant, Tokens } from "./tokens.ts";

export interface Access {
  readonly tokens: Tokens;
  /** Names by which the server may be asked for: `allowedHosts`. */
  readonly hosts: ReadonlySet<string>;
  /** Origins (`https://example.org`) whose pages may ask, beside the server's own. */
  readonly origins: ReadonlySet<string>;
  /** Files that need no token: the same for everybody, and where a person puts a token in. */
  readonly page?: Page | undefined;
}

/** What the gate lets through, and headers that go with whatever is answered. */
export interface Passed {
  readonly tenant: Tenant;
  readonly headers: Readonly<Record<string, string>>;
}

const PREFLIGHT_HEADERS = {
  "Access-Control-Allow-Methods": "GET, POST, DELETE",
  "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept",
  "Access-Control-Max-Age": "600",
};

/**
 * Decides about a request from its path and headers alone, before anything else of the server sees it.
 * @returns who asks; or the answer to a preflight of a listed origin, or a file of the page
 * @throws Refusal `forbidden-host`, `forbidden-origin`, `unauthorized`
 */
export function passGate(request: Request, { tokens, hosts, origins, page }: Access): Passed | Response {
  const { headers } = request;
  const host = headers.get("host") ?? new URL(request.url).host;
  const name = hostName(host);
  if (name === undefined || !hosts.has(name)) {
    throw new Refusal("forbidden-host", "the server is not known by this name (--allow-host)");
  }
  const origin = headers.get("origin");
  const cors = corsHeaders(origin, host, origins);
  if (request.method === "OPTIONS" && origins.has(origin ?? "")) {
    return new Response(null, { status: 204, headers: { ...cors, ...PREFLIGHT_HEADERS } });
  }
  const file = page?.answer(request);
  if (file !== undefined) return file;
  const tenant = tokens.tenantOf(headers.get("authorization"));
  if (tenant === undefined) throw new Refusal("unauthorized", "a token is needed: Authorization: Bearer TOKEN");
  return { tenant, headers: cors };
}

function corsHeaders(origin: string | null, host: string, origins: ReadonlySet<string>): Record<string, string> {
  // Programs that are no browsers send none.
  if (origin === null) return {};
  if (origins.has(origin)) return { "Access-Control-Allow-Origin": origin, Vary: "Origin" };
  if (origin === `http://${host}` || origin === `https://${host}`) return {};
  throw new Refusal("forbidden-origin", "pages of this origin may not ask this server (--cors)");
}
