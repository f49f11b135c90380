import { createHash } from "node:crypto";

/** A file of the page, in memory. */
export interface PageFile {
  /** As URLs have it: `/` for the page itself. */
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  /** Its name says what it holds: it never changes. */
  readonly immutable: boolean;
}

/** Types of the files that the page is made of; there are no others. */
export const PAGE_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The page that a browser gets: the same for everybody, with nothing of anybody's in it. */
export interface Page {
  readonly paths: readonly string[];
  /** The answer to a request for one of its files; undefined when it is for something else. */
  answer(request: Request): Response | undefined;
}

/**
 * @param scripts inline scripts that may run, beside the page's own files: those of reports, which are shown in a frame that inherits this
 * policy
 */
export function createPage(files: readonly PageFile[], scripts: readonly string[]): Page {
  const known = new Map(files.map((file) => [file.path, file]));
  const etags = new Map(files.map(({ path, bytes }) => [path, `"${hash(bytes, "hex").slice(0, 32)}"`]));
  const policy = policyOf(scripts);
  return {
    paths: files.map(({ path }) => path),
    answer: (request) => {
      if (request.method !== "GET" && request.method !== "HEAD") return undefined;
      const file = known.get(new URL(request.url).pathname);
      if (file === undefined) return undefined;
      const etag = etags.get(file.path) ?? "";
      const headers = {
        "Content-Type": file.type,
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "Cache-Control": file.immutable ? "public, max-age=31536000, immutable" : "no-cache",
        ETag: etag,
      };
      if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
      return new Response(request.method === "HEAD" ? null : file.bytes, { headers });
    },
  };
}

/**
 * Scripts come from the page's own files, requests go to this server alone, nobody may put the page into a frame. Reports and plots have
 * style sheets of their own in them, plots come as blobs.
 */
function policyOf(scripts: readonly string[]): string {
  const inline = scripts.map((script) => ` 'sha256-${hash(script, "base64")}'`).join("");
  return [
    "default-src 'none'",
    `script-src 'self'${inline}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function hash(data: Uint8Array | string, encoding: "hex" | "base64"): string {
  return createHash("sha256").update(data).digest(encoding);
}
