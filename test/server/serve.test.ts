import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { verifyKvd } from "../../src/cache/load-kvd.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { CLI_TIME, runCli } from "../cli/run-cli.ts";
import { type Json, jsonOf, parseJson } from "./json.ts";
import { TEXT } from "./tiny-server.ts";

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const tsx = import.meta.resolve("tsx");

interface Served {
  readonly url: string;
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<number | null>;
}

let root = "";
const children: Served["child"][] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "kv-distill-serve-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(root, { recursive: true, force: true });
});

/** `kv-distill serve` in a process of its own, once it listens. */
async function serve(...args: readonly string[]): Promise<Served> {
  const all = [
    "serve",
    "--port",
    "0",
    "--json",
    "--model",
    tinyModel("llama"),
    "--threads",
    "1",
    "--store",
    join(root, "store"),
  ];
  const env = { ...process.env, KV_DISTILL_HOME: join(root, "home") };
  const child = spawn(process.execPath, ["--import", tsx, main, ...all, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env,
  });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (chunk: Buffer) => {
      resolve(chunk.toString());
    });
    void ended.then((code) => {
      reject(new Error(`ended with ${String(code)}: ${errors}`));
    });
  });
  const { url } = JSON.parse(line) as { url: string };
  return { url, child, ended };
}

const post = (url: string, body: object, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  });
const make = (url: string, seed: number): Promise<Response> =>
  post(`${url}/v1/contexts`, { text: TEXT, keep: { tokens: 8 + (seed % 5) }, method: "random", seed });

describe("serve", () => {
  test(
    "killed with -9 under load, comes back with every acknowledged context whole",
    async () => {
      const first = await serve();
      const acknowledged: Json[] = [];
      let killed = false;
      let seed = 0;
      const client = async (): Promise<void> => {
        while (!killed) {
          try {
            const response = await make(first.url, seed++);
            if (response.status === 201) acknowledged.push(await jsonOf(response));
          } catch {
            return;
          }
        }
      };
      const clients = Array.from({ length: 6 }, client);
      await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(12);
      first.child.kill("SIGKILL");
      killed = true;
      await Promise.all(clients);
      await first.ended;

      const second = await serve();
      const { data } = await jsonOf(await fetch(`${second.url}/v1/contexts`));
      const known = new Map(data.map((context) => [context.id, context]));
      for (const { id, rows, file_bytes: bytes } of acknowledged) {
        expect(known.get(id)).toMatchObject({ rows, file_bytes: bytes });
      }
      const folder = join(root, "store", "local");
      for (const name of await readdir(folder)) {
        expect(name).toMatch(/^ctx_[0-9a-f]{32}\.kvd$/);
        await verifyKvd(join(folder, name));
      }
      const last = acknowledged.at(-1);
      const chat = { model: "llama", max_tokens: 4, context: last?.id, messages: [{ role: "user", content: "who?" }] };
      expect((await post(`${second.url}/v1/chat/completions`, chat)).status).toBe(200);
      second.child.kill("SIGTERM");
      expect(await second.ended).toBe(0);
    },
    CLI_TIME,
  );

  test(
    "frees the place of a client that hangs up, and keeps answering others",
    async () => {
      const { url } = await serve("--active", "1", "--queue", "1");
      const health = async (): Promise<{ active: number; waiting: number }> =>
        (await (await fetch(`${url}/health`)).json()) as { active: number; waiting: number };
      // Nobody reads this answer: it waits for its reader, then for the model's limit.
      const hanging = httpRequest(`${url}/v1/completions`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
      });
      hanging.on("error", () => undefined);
      const begun = new Promise((resolve) => hanging.on("response", resolve));
      const body = { model: "llama", prompt: "the cat", max_tokens: 100, temperature: 2, stream: true };
      hanging.end(JSON.stringify(body));
      await begun;
      hanging.destroy();
      await expect.poll(async () => (await health()).active, { timeout: 20_000 }).toBe(0);
      const answer = await post(`${url}/v1/completions`, { ...body, stream: false, max_tokens: 4 });
      expect(answer.status).toBe(200);
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(metrics).toContain("process_resident_memory_bytes");
      if (process.platform === "linux") expect(metrics).toMatch(/^kv_distill_private_memory_bytes [1-9]\d{6,}$/m);
    },
    CLI_TIME,
  );

  test(
    "many streams at once go on in turn; more than have room are told when to come back",
    async () => {
      const { url } = await serve("--active", "4", "--queue", "4");
      const body = { model: "llama", prompt: "the cat", max_tokens: 60, stream: true };
      const answers = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const response = await post(`${url}/v1/completions`, body);
          const text = await response.text();
          return { status: response.status, text, retryAfter: response.headers.get("retry-after") };
        }),
      );
      const statuses = answers.map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([200, 429]));
      for (const { status, text, retryAfter } of answers) {
        if (status === 200) expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
        else {
          expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
          expect(parseJson(text).error).toMatchObject({ code: "queue-full", type: "rate_limit_error" });
        }
      }
    },
    CLI_TIME,
  );

  test(
    "S11: refuses to be reached by others without tokens, and takes them from a file or a variable",
    async () => {
      const model = ["--model", tinyModel("llama"), "--port", "0"];
      const open = await runCli(["serve", "--host", "0.0.0.0", ...model]);
      expect([open.code, open.stdout]).toEqual([2, ""]);
      expect(open.stderr).toContain("--token-file");
      const file = join(root, "tokens.txt");
      await writeFile(file, "short\n");
      const short = await runCli(["serve", "--token-file", file, ...model]);
      expect(short.code).toBe(1);
      expect(short.stderr).toContain("16 characters");
      const unset = await runCli(["serve", "--token-env", "KV_DISTILL_NO_SUCH_VARIABLE", ...model]);
      expect(unset.code).toBe(1);
      const wrong = await runCli(["serve", "--cors", "example.org", "--quota", "much", "--queue", "0", ...model]);
      for (const flag of ["--cors", "--quota", "--queue"]) expect(wrong.stderr).toContain(flag);

      const token = "a-token-of-some-length";
      await writeFile(file, `${token}\n`);
      const { url, child, ended } = await serve("--host", "0.0.0.0", "--token-file", file);
      const own = url.replace("0.0.0.0", "127.0.0.1");
      expect((await fetch(`${own}/health`)).status).toBe(401);
      expect((await fetch(`${own}/health`, { headers: { Authorization: `Bearer ${token}` } })).status).toBe(200);
      child.kill("SIGINT");
      expect(await ended).toBe(0);
    },
    CLI_TIME,
  );
});
