import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import { createLogger } from "../../src/util/log.ts";
import { noColours } from "../../src/util/terminal.ts";
import { type HubStandIn, readRepo, startHub } from "./hub-stand-in.ts";
import { useTempHome } from "./temp-home.ts";
import { tinyModel } from "./tiny-models.ts";

const { home } = useTempHome();
let hub: HubStandIn;
beforeEach(async () => {
  hub = await startHub();
  process.env.HF_ENDPOINT = hub.url;
  hub.repos.set("acme/tiny", { files: await readRepo(tinyModel("llama")), licence: "mit\u001b[31m" });
});
afterEach(async () => {
  await hub.close();
  delete process.env.HF_ENDPOINT;
});

/** Runs `kv-distill pull` in this process. */
async function command(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const told = { stdout: "", stderr: "" };
  const write = (text: string) => void (told.stdout += text);
  const writeError = (text: string) => void (told.stderr += text);
  const out = {
    write,
    line: (text: string) => {
      write(`${text}\n`);
    },
    json: (value: unknown) => {
      write(`${JSON.stringify(value)}\n`);
    },
    isTerminal: false,
    width: undefined,
    colours: noColours,
  };
  const context = { out, log: createLogger("info", writeError), signal: new AbortController().signal };
  await createProgram(context, writeError).parseAsync(["pull", ...args], { from: "user" });
  return told;
}

test("prints folder, size and licence, and says when nothing was to be done", async () => {
  const first = await command("acme/tiny");
  expect(first.stderr).toBe("");
  const folder = join(home(), "models", "acme--tiny");
  expect(first.stdout.split("\n")).toEqual([
    "model    acme/tiny",
    `folder   ${folder}`,
    expect.stringMatching(/^size {5}25\.\d kB$/),
    "licence  mit\\u001b[31m",
    "source   Hugging Face hub, acme/tiny@main (0123456789ab)",
    "",
  ]);
  const second = await command("acme/tiny", "--json");
  expect(second.stderr).toBe("acme/tiny is there already; --replace fetches it again\n");
  expect(JSON.parse(second.stdout)).toMatchObject({ name: "acme/tiny", folder, alreadyThere: true });
  const before = hub.requests.length;
  expect(JSON.parse((await command("acme/tiny", "--replace", "--json")).stdout)).toMatchObject({ alreadyThere: false });
  expect(hub.requests.length).toBeGreaterThan(before);
});

test("lists what is there and what is known", async () => {
  await command("acme/tiny@v1", "--name", "mine");
  const { stdout } = await command("--list");
  expect(stdout).toMatch(/mine +│ +25\.\d kB │ mit\\u001b\[31m +│ Hugging Face hub, acme\/tiny@v1/);
  expect(stdout).toMatch(/smollm2-135m-instruct │ +98.4 MB │ Apache-2.0 +│ not pulled/);
  expect(JSON.parse((await command("--list", "--json")).stdout)).toMatchObject({
    pulled: [{ name: "mine", source: { revision: "v1" } }],
    known: [{ name: "smollm2-135m-instruct" }],
  });
});

test("refuses command lines that mean nothing", async () => {
  for (const args of [[], ["--list", "acme/tiny"], ["--list", "--replace"], ["--list", "--name", "x"]]) {
    await expect(command(...args)).rejects.toBeInstanceOf(UsageError);
  }
  expect(hub.requests).toEqual([]);
  expect(await readdir(home()).catch(() => [])).toEqual([]);
});
