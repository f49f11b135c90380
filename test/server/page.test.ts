import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPage, type Page } from "../../src/server/page/page.ts";
import { loadPage } from "../../src/server/page/load-page.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);
const TOKEN = "a-token-of-some-length";

let folder = "";
let page: Page | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-page-"));
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), "<!doctype html>");
  await writeFile(join(folder, "assets", "index-abc.js"), "1;");
  await writeFile(join(folder, "licences.md"), "not for browsers");
  page = await loadPage(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("files of the page need no token, but the right host and origin; nothing else is without", async () => {
  const own = await server({ tokens: [TOKEN], ...(page && { page }) });
  expect(page?.paths).toEqual(["/assets/index-abc.js", "/"]);
  for (const path of page?.paths ?? []) {
    const response = await own.ask(`GET ${path}`);
    expect([path, response.status]).toEqual([path, 200]);
    expect((await own.ask(`GET ${path}`, undefined, { Host: "evil.example" })).status).toBe(403);
    expect((await own.ask(`GET ${path}`, undefined, { Origin: "https://evil.example" })).status).toBe(403);
    expect((await own.ask(`POST ${path}`, {})).status).toBe(401);
  }
  for (const path of [
    "/index.html",
    "/licences.md",
    "/assets",
    "/assets/",
    "/assets/index-abc.js/",
    "//",
    "/assets/..%2findex.html",
    "/v1/models",
    "/health",
    "/v1/runs",
  ]) {
    expect([path, (await own.ask(`GET ${path}`)).status]).toEqual([path, 401]);
  }
  const metrics = await own.ask("GET /metrics", undefined, { Authorization: `Bearer ${TOKEN}` });
  expect(await metrics.text()).toContain('route="page",method="GET",status="200"');
});

test("the page's policy lets nothing in from elsewhere; a known file is not sent again", async () => {
  const own = await server({ ...(page && { page }) });
  const first = await own.ask("GET /");
  const policy = first.headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'sha256-[A-Za-z0-9+/=]{44}'; /);
  expect(policy).not.toMatch(/https?:|\*|data:|unsafe-eval/);
  expect(policy).toContain("connect-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(first.headers.get("x-content-type-options")).toBe("nosniff");
  expect(first.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const again = await own.ask("GET /", undefined, { "If-None-Match": first.headers.get("etag") ?? "" });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  const asset = await own.ask("GET /assets/index-abc.js");
  expect([asset.headers.get("cache-control"), await asset.text()]).toEqual([
    "public, max-age=31536000, immutable",
    "1;",
  ]);
  expect((await own.app.fetch(new Request("http://localhost/", { method: "HEAD" }))).status).toBe(200);
});

test("a server without a page has none", async () => {
  expect(await loadPage(join(folder, "nowhere"))).toBeUndefined();
  expect(createPage([], []).paths).toEqual([]);
  const own = await server();
  expect((await own.ask("GET /")).status).toBe(404);
});
