import { readdir } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allowedHosts, hostName, isLoopback } from "../../src/server/access/hosts.ts";
import { createTokens, parseTokens } from "../../src/server/access/tokens.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { type Json, jsonOf } from "./json.ts";
import { requestOf, TEXT, type TinyServer, useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);
const ALICE = "alice-0123456789abcdef";
const BOB = "bob-0123456789abcdefgh";
const as = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

/** Every route with something in place of its parameters, and a path that does not exist. */
const doors = ({ app }: TinyServer): string[] => [
  ...app.routes.map((route) => route.replaceAll(/:\w+/g, "ctx_0")),
  "GET /nowhere",
  "PUT /v1/contexts",
];

describe("the gate", () => {
  test("S12: stands in front of every route", async () => {
    const own = await server({ tokens: [ALICE] });
    expect(own.app.routes.length).toBeGreaterThan(15);
    expect(own.app.routes.some((route) => route.includes("*"))).toBe(false);
    for (const door of doors(own)) {
      for (const headers of [
        {},
        as(BOB),
        as(`${ALICE}x`),
        as(""),
        { Authorization: ALICE },
        { Authorization: `Basic ${ALICE}` },
      ]) {
        const response = await own.ask(door, undefined, headers);
        expect([door, response.status]).toEqual([door, 401]);
        expect(response.headers.get("www-authenticate")).toBe("Bearer");
        expect((await jsonOf(response)).error).toMatchObject({ type: "authentication_error", code: "unauthorized" });
      }
      for (const Host of [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "a b",
      ]) {
        const response = await own.ask(door, undefined, { ...as(ALICE), Host });
        expect([door, Host, response.status]).toEqual([door, Host, 403]);
      }
      for (const Origin of ["https://evil.example", "null", "http://localhost:9999", "http://localhost.evil.example"]) {
        const response = await own.ask(door, undefined, { ...as(ALICE), Origin });
        expect([door, Origin, response.status]).toEqual([door, Origin, 403]);
        expect(response.headers.get("access-control-allow-origin")).toBeNull();
      }
      expect([401, 403]).not.toContain((await own.ask(door, undefined, as(ALICE))).status);
    }
  });

  test("lets the machine's own names through, and pages of the server itself", async () => {
    const own = await server();
    for (const Host of ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"]) {
      expect((await own.ask("GET /health", undefined, { Host })).status).toBe(200);
    }
    const page = { Host: "localhost:8080", Origin: "http://localhost:8080" };
    const response = await own.ask("GET /health", undefined, page);
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a listed origin may ask, its preflight needs no token; nobody else's is answered", async () => {
    const origin = "https://app.example";
    const own = await server({ tokens: [ALICE], origins: [origin] });
    const preflight = await own.ask("OPTIONS /v1/chat/completions", undefined, { Origin: origin });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe(origin);
    const response = await own.ask("GET /health", undefined, { Origin: origin, ...as(ALICE) });
    expect(response.status).toBe(200);
    expect(response.headers.get("vary")).toBe("Origin");
    expect((await own.ask("GET /health", undefined, { Origin: origin })).status).toBe(401);
    const other = { Origin: "https://other.example" };
    expect((await own.ask("OPTIONS /v1/chat/completions", undefined, other)).status).toBe(403);
    expect((await own.ask("OPTIONS /v1/chat/completions", undefined, {})).status).toBe(401);
  });
});

/** An id of the same look that names nothing. */
function idOfNothing(id: string): string {
  return id.replace(/[0-9a-f]{24}$/, "0".repeat(24));
}

/** All that an answer tells, the id that was asked for left out. */
async function told(response: Response, id: string): Promise<{ readonly status: number; readonly said: string }> {
  const headers = JSON.stringify([...response.headers].sort());
  return { status: response.status, said: `${headers}\n${await response.text()}`.replaceAll(id, "ID") };
}

describe("tenants", () => {
  test("S13: nothing of one is reachable by another, nor told from what does not exist", async () => {
    const own = await server({ tokens: [ALICE, BOB] });
    const call = (token: string, route: string, body?: unknown): Promise<Response> => own.ask(route, body, as(token));
    const context = await jsonOf(
      await call(ALICE, "POST /v1/contexts", { text: TEXT, keep: "50%", method: "streaming" }),
    );
    const conversation = await jsonOf(await call(ALICE, "POST /v1/conversations", { context: context.id }));
    const chat = { model: "llama", max_tokens: 2, messages: [{ role: "user", content: "who?" }], context: context.id };
    const text = { model: "llama", prompt: "a", max_tokens: 2, context: context.id };
    const turn = { content: "who?", max_tokens: 2 };
    const span = { from: 0, to: 1, keep: "50%", method: "streaming" };

    /** Every way to name something, with bodies that its owner could send, and some that nobody could. */
    const attempts: readonly (readonly [route: string, ...bodies: unknown[]])[] = [
      ["GET /v1/contexts/:id"],
      ["DELETE /v1/contexts/:id"],
      ["GET /v1/contexts/:id/text"],
      ["GET /v1/contexts/:id/kvd"],
      ["GET /v1/conversations/:id"],
      ["DELETE /v1/conversations/:id"],
      ["POST /v1/conversations/:id/messages", turn, { ...turn, stream: true }, { content: "x ".repeat(500) }, {}],
      ["POST /v1/conversations/:id/compress", span, { ...span, to: 99 }, { ...span, method: "knorm" }, {}],
      ["POST /v1/chat/completions", chat, { ...chat, stream: true }, { ...chat, messages: [] }],
      ["POST /v1/completions", text, { ...text, max_tokens: 5000 }, { ...text, keep: "5%" }],
      ["POST /v1/conversations", { context: context.id }, { context: context.id, full: true }],
    ];
    // A route that takes an id, and is not tried here, fails.
    const naming = own.app.routes.filter((route) => route.includes("/:id") && !/\/v1\/(?:models|runs)\//.test(route));
    expect(
      attempts
        .map(([route]) => route)
        .filter((route) => route.includes(":id"))
        .sort(),
    ).toEqual(naming.toSorted());

    const before = await readdir(own.folder, { recursive: true });
    const idle = own.service.jobs.queue;
    const compareAll = async (): Promise<void> => {
      for (const [route, ...bodies] of attempts) {
        for (const body of bodies.length === 0 ? [undefined] : bodies) {
          const id = route.includes("conversations/") ? conversation.id : context.id;
          const foreign = await told(await call(BOB, route.replace(":id", id), body), id);
          const missing = idOfNothing(id);
          const other = JSON.parse(JSON.stringify(body ?? null).replaceAll(id, missing)) as unknown;
          const nothing = await told(await call(BOB, route.replace(":id", missing), other ?? undefined), missing);
          expect([route, body, foreign]).toEqual([route, body, nothing]);
          expect([route, body, foreign.status]).not.toEqual([route, body, 200]);
          expect(foreign.status).toBeGreaterThanOrEqual(400);
        }
      }
    };
    await compareAll();
    // A conversation that is at work is busy to its owner alone.
    const stream = await call(ALICE, `POST /v1/conversations/${conversation.id}/messages`, { ...turn, stream: true });
    expect((await call(ALICE, `POST /v1/conversations/${conversation.id}/messages`, turn)).status).toBe(409);
    await compareAll();
    expect((await stream.text()).endsWith("data: [DONE]\n\n")).toBe(true);

    for (const list of ["GET /v1/contexts", "GET /v1/conversations"]) {
      expect((await jsonOf(await call(BOB, list))).data).toEqual([]);
      expect((await jsonOf(await call(ALICE, list))).data).toHaveLength(1);
    }
    for (const route of ["GET /metrics", "GET /health", "GET /v1/models"]) {
      const said = await (await call(BOB, route)).text();
      for (const secret of [context.id, conversation.id, ALICE])
        expect([route, said.includes(secret)]).toEqual([route, false]);
    }
    // Nothing of it was deleted, changed, or made for the other.
    expect(await readdir(own.folder, { recursive: true })).toEqual(before);
    expect(idle).toMatchObject({ active: 0, waiting: 0 });
    expect((await call(ALICE, "POST /v1/chat/completions", chat)).status).toBe(200);
    expect((await call(ALICE, `GET /v1/conversations/${conversation.id}`)).status).toBe(200);
  });

  test("a file that another uploads is another context", async () => {
    const own = await server({ tokens: [ALICE, BOB] });
    const made = await jsonOf(
      await own.ask("POST /v1/contexts", { text: TEXT, keep: "50%", method: "streaming" }, as(ALICE)),
    );
    const file = await (await own.ask(`GET /v1/contexts/${made.id}/kvd`, undefined, as(ALICE))).arrayBuffer();
    const upload = new Request("http://localhost/v1/contexts/upload", {
      method: "POST",
      body: file,
      headers: { ...as(BOB), "Content-Length": String(file.byteLength) },
    });
    const { id } = await jsonOf(await own.app.fetch(upload));
    expect(id).not.toBe(made.id);
    expect((await own.ask(`DELETE /v1/contexts/${id}`, undefined, as(BOB))).status).toBe(200);
    expect((await own.ask(`GET /v1/contexts/${made.id}`, undefined, as(ALICE))).status).toBe(200);
  });

  test("a restarted server still knows whose contexts are whose", async () => {
    const own = await server({ tokens: [ALICE, BOB] });
    const make = { text: TEXT, keep: "50%", method: "streaming" };
    const { id }: Json = await jsonOf(await own.ask("POST /v1/contexts", make, as(ALICE)));
    const next = await server({ tokens: [BOB, ALICE], folder: own.folder });
    expect((await next.ask(`GET /v1/contexts/${id}`, undefined, as(ALICE))).status).toBe(200);
    expect((await next.ask(`GET /v1/contexts/${id}`, undefined, as(BOB))).status).toBe(404);
  });
});

test("S14: no path of a request reaches the file system", async () => {
  const own = await server();
  for (const id of [
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "local%2fx",
    "ctx_0%00",
    "constructor",
    "__proto__",
    `ctx_${"0".repeat(32)}`,
  ]) {
    for (const route of [
      `GET /v1/contexts/${id}`,
      `GET /v1/contexts/${id}/kvd`,
      `GET /v1/contexts/${id}/text`,
      `DELETE /v1/contexts/${id}`,
      `GET /v1/conversations/${id}`,
      `GET /v1/models/${id}`,
    ]) {
      expect([route, (await own.ask(route)).status]).toEqual([route, 404]);
    }
  }
});

test("paths that do not exist, methods that a path does not take", async () => {
  const own = await server();
  expect((await own.json("GET /v1/nothing", undefined, 404)).error.code).toBe("not-found");
  const response = await own.ask("PUT /v1/contexts");
  expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, GET"]);
});

test("health, models and metrics", async () => {
  const own = await server();
  expect(await own.json("GET /health")).toMatchObject({ status: "ok", model: "llama", active: 0, waiting: 0 });
  const { data } = await own.json("GET /v1/models");
  expect(data).toMatchObject([{ id: "llama", object: "model", context_length: 128 }]);
  expect(await own.json("GET /v1/models/llama")).toEqual(data[0]);
  await own.json("POST /v1/contexts", { text: TEXT, keep: { tokens: 9 }, method: "streaming" }, 201);
  const response = await own.ask("GET /metrics");
  expect(response.headers.get("content-type")).toContain("text/plain");
  const text = await response.text();
  expect(text).toContain('kv_distill_http_requests_total{route="/v1/contexts",method="POST",status="201"} 1');
  expect(text).toMatch(/kv_distill_contexts 1\n/);
  expect(text).toMatch(/kv_distill_tokens_total\{kind="compressed"\} \d+/);
});

describe("names and tokens", () => {
  test("a Host header's name", () => {
    for (const [header, name] of [
      ["example.org", "example.org"],
      ["Example.org:80", "example.org"],
      ["[::1]:80", "[::1]"],
      ["1.2.3.4:99999", "1.2.3.4"],
      ["a:b", undefined],
      ["a:1:2", undefined],
      ["user@a", undefined],
      ["", undefined],
    ] as const) {
      expect(hostName(header)).toBe(name);
    }
  });

  test("only this machine reaches loopback addresses", () => {
    for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1"]) expect(isLoopback(host)).toBe(true);
    for (const host of ["0.0.0.0", "::", "192.168.0.1", "127.0.0.1.example.org", "example.org"]) {
      expect(isLoopback(host)).toBe(false);
    }
    expect(allowedHosts("::", ["a.example"]).has("[::]")).toBe(true);
    expect(allowedHosts("0.0.0.0", ["A.example"]).has("a.example")).toBe(true);
  });

  test("tokens: exactly the given ones, all faults at once", () => {
    const tokens = createTokens([ALICE, BOB]);
    expect(tokens.tenantOf(`Bearer ${ALICE}`)).toMatch(/^[0-9a-f]{32}$/);
    expect(tokens.tenantOf(`bearer ${BOB}`)).not.toBe(tokens.tenantOf(`Bearer ${ALICE}`));
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(text !== ALICE && text !== BOB);
        expect(tokens.tenantOf(`Bearer ${text}`)).toBeUndefined();
      }),
    );
    expect(tokens.tenantOf(null)).toBeUndefined();
    expect(createTokens([]).tenantOf(null)).toBe("local");
    expect(parseTokens(`${ALICE}\r\n\n ${BOB}\n`, "file")).toEqual([ALICE, BOB]);
    expect(() => parseTokens(`short\n${ALICE}\n${ALICE}\nwith space in the token`, "file")).toThrow(
      /token 1.*\n.*token 3.*\n.*token 4/,
    );
    expect(() => parseTokens("\n", "file")).toThrow("no token");
  });
});

test("a request without a body where JSON is due is no crash", async () => {
  const own = await server();
  for (const route of own.app.routes.filter((name) => name.startsWith("POST"))) {
    const response = await own.app.fetch(requestOf(route.replaceAll(/:\w+/g, "x")));
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
  }
});
