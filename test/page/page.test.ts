import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, type TestContext, test } from "vitest";
import type { MarkedContext } from "../../src/server/contexts/marked-context.ts";
import { listen, type Listening } from "../../src/server/listen.ts";
import { printable } from "../../src/util/printable.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { writeRun } from "../evaluate/report/stored-run.ts";
import { TEXT, type TinyServer, type TinyServerOptions, useTinyServers } from "../server/tiny-server.ts";
import { inaccessible } from "./accessible.ts";
import { useBrowser } from "./browser.ts";
import { useBuiltPage } from "./built-page.ts";
import { writeTrainingRun } from "./training-run.ts";

const TOKEN = "a-token-of-some-length";
const TIME = 300_000;
/** Milliseconds that a busy machine may take for a step. */
const STEP = 60_000;

const { model } = useTinyModel("llama");
const built = useBuiltPage();
const tinyServer = useTinyServers(model);
const browserOf = useBrowser();

let runs = "";
beforeAll(async () => {
  runs = await mkdtemp(join(tmpdir(), "kv-distill-runs-"));
  await writeRun(join(runs, "evaluations", "first"));
  await writeTrainingRun(join(runs, "trained"), 3, 8);
});
afterAll(() => rm(runs, { recursive: true, force: true }));

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Opened {
  readonly page: Page;
  readonly server: TinyServer;
  readonly url: string;
  /** Addresses that the browser asked for. */
  readonly asked: readonly string[];
  /** What went wrong in the page: exceptions, and what its policy forbade. */
  readonly faults: readonly string[];
}

/** The page in a browser, from a server of its own. */
async function open(
  context: TestContext,
  options: TinyServerOptions = {},
  look: BrowserContextOptions = {},
): Promise<Opened> {
  const browser = browserOf(context);
  const server = await tinyServer({ adapter: true, runs, page: built.page(), ...options });
  const listening: Listening = await listen(server.app, { host: "127.0.0.1", port: 0 });
  ends.push(() => listening.close());
  const own = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...look });
  ends.push(() => own.close());
  const page = await own.newPage();
  page.setDefaultTimeout(STEP);
  const [asked, faults]: [string[], string[]] = [[], []];
  page.on("request", (request) => asked.push(request.url()));
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && message.text().includes("Content Security Policy")) faults.push(message.text());
  });
  await page.goto(listening.url);
  return { page, server, url: listening.url, asked, faults };
}

/** What must come to be so. */
const soon = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: STEP, interval: 100 });

/** Compresses a text by hand, so to say; ends where its context is shown. */
async function compress(page: Page, text = TEXT): Promise<void> {
  await page.getByLabel("Text", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Compress", exact: true }).click();
  await page.getByRole("heading", { name: "What was kept" }).waitFor();
}

describe("the page", () => {
  test(
    "distils a document: marks, sizes, both answers, another keep",
    async (context) => {
      const { page, server, url, asked, faults } = await open(context);
      const keep = page.getByRole("slider", { name: "Keep" });
      expect(await keep.getAttribute("aria-valuetext")).toBe("25 percent of the tokens");
      await keep.press("ArrowRight");
      await keep.press("ArrowRight");
      expect(await keep.getAttribute("aria-valuetext")).toBe("40 percent of the tokens");
      await compress(page);

      const [stored] = server.service.store.list("local");
      if (stored === undefined) throw new Error("nothing was stored");
      const { contextLength: tokens, slots: rows } = stored.description;
      expect(rows).toBe(Math.round(0.4 * tokens));
      const text = page.getByRole("region", { name: "Text with kept tokens marked" });
      expect(await text.innerText()).toContain(TEXT);
      const marks = await page.evaluate<string[]>(
        "[...document.querySelectorAll('.text mark')].map(({ title }) => title)",
      );
      // Of a character that several tokens share one has the mark.
      expect(marks.length).toBeGreaterThan(rows / 2);
      expect(marks.length).toBeLessThanOrEqual(rows);
      expect(marks.every((title) => /^token \d+, score -?[\d.]+$/.test(title))).toBe(true);
      const size = page.getByRole("region", { name: "Size" });
      expect(await size.innerText()).toContain(`${tokens} rows`);
      expect(await size.innerText()).toContain(`${rows} rows`);

      await page.getByLabel("Longest answer").fill("6");
      await page.getByLabel("Question").fill("who sat?");
      await page.getByLabel("Question").press("Enter");
      const answers = page.locator("article");
      await soon(() => answers.count()).toBe(2);
      await soon(() => page.getByText("Length", { exact: true }).count()).toBe(2);
      const [distilled = "", full = ""] = await answers.allInnerTexts();
      for (const [name, said] of [
        ["Distilled cache", distilled],
        ["Full cache", full],
      ] as const) {
        expect(said).toContain(name);
        expect(said).toMatch(/Memory\s+[\d.]+ k?B, \d+ rows/);
        expect(said).toMatch(/First token\s+after [\d.]+ m?s/);
      }
      const rowsOf = (said: string): number => Number(/, (\d+) rows/.exec(said)?.[1]);
      expect(rowsOf(full) - rowsOf(distilled)).toBe(tokens - rows);
      // What the API answers to the same question.
      const { choices } = await server.json("POST /v1/chat/completions", {
        model: "llama",
        messages: [{ role: "user", content: "who sat?" }],
        context: stored.id,
        max_tokens: 6,
      });
      const plain = (text: string): string => text.replaceAll(/\s+/g, " ").trim();
      expect(plain(distilled)).toContain(plain(printable(choices[0]?.message.content ?? "nothing")));

      await page.getByLabel("Question").fill("and the dog?");
      await page.getByRole("button", { name: "Ask" }).click();
      await soon(() => page.getByText("Length", { exact: true }).count()).toBe(4);
      expect(server.service.conversations.count).toBe(2);

      await page.getByRole("slider", { name: "Keep" }).press("Home");
      await page.getByRole("button", { name: "Compress again" }).click();
      await soon(() => server.service.store.count).toBe(2);
      // Leaving the first context has ended its conversations.
      await soon(() => server.service.conversations.count).toBe(0);
      expect(asked.filter((address) => !address.startsWith(url) && !address.startsWith("blob:"))).toEqual([]);
      expect(faults).toEqual([]);
    },
    TIME,
  );

  test(
    "both answers come word by word, and tell speed and memory",
    async (context) => {
      const { page } = await open(context);
      await compress(page);
      // Every length that an answer is shown with, and whether it was still being written.
      await page.evaluate(`{
        const seen = { "Distilled cache": [], "Full cache": [] };
        globalThis.seen = seen;
        new MutationObserver(() => {
          for (const article of document.querySelectorAll("article")) {
            const said = article.querySelector(".said");
            if (said === null) continue;
            const own = seen[article.querySelector("h4").textContent];
            const open = said.classList.contains("open");
            const last = own.at(-1);
            if (last?.length !== said.textContent.length || last.open !== open)
              own.push({ length: said.textContent.length, open });
          }
        }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
      }`);
      await page.getByLabel("Longest answer").fill("40");
      await page.getByLabel("Question").fill("who sat?");
      await page.getByRole("button", { name: "Ask" }).click();
      await soon(() => page.getByText("Length", { exact: true }).count()).toBe(2);

      const seen = await page.evaluate<Readonly<Record<string, readonly { length: number; open: boolean }[]>>>("seen");
      for (const name of ["Distilled cache", "Full cache"]) {
        const growing = (seen[name] ?? []).filter(({ open }) => open).map(({ length }) => length);
        expect([name, growing.length > 5, growing]).toEqual([name, true, growing.toSorted((a, b) => a - b)]);
        expect(growing[0]).toBeLessThan(seen[name]?.at(-1)?.length ?? 0);
        expect(seen[name]?.at(-1)?.open).toBe(false);
      }
      const facts = await page.evaluate<readonly Readonly<Record<string, string>>[]>(
        `[...document.querySelectorAll("article")].map((article) => Object.fromEntries(
          [...article.querySelectorAll("dl > div")].map((fact) => [...fact.children].map((own) => own.textContent))))`,
      );
      expect(facts).toHaveLength(2);
      for (const fact of facts) {
        expect(fact.Memory).toMatch(/^[1-9][\d.]* k?B, [1-9]\d* rows$/);
        expect(fact.Speed).toMatch(/^[1-9][\d,.]* tokens\/s$/);
        expect(fact["First token"]).toMatch(/^after [\d.]+ m?s$/);
        expect(fact.Length).toMatch(/^40 tokens/);
      }
    },
    TIME,
  );

  test.for(["per-head", "across-heads"] as const)(
    "%s: tokens are marked by the share of heads that hold them",
    { timeout: TIME },
    async (adapter, context) => {
      const { page, server } = await open(context, { adapter });
      await compress(page);
      const [stored] = server.service.store.list("local");
      const { pieces, heads } = (await (
        await server.ask(`GET /v1/contexts/${stored?.id ?? ""}/text`)
      ).json()) as MarkedContext;
      expect(heads).toBeGreaterThan(1);
      await page.getByText("the more heads hold the token").waitFor();
      const marks = await page.evaluate<readonly { title: string; level: number; shade: string }[]>(
        `[...document.querySelectorAll(".text mark")].map((mark) => ({
          title: mark.title,
          level: Number(mark.className.match(/k(\\d)/)[1]),
          shade: getComputedStyle(mark).backgroundColor,
        }))`,
      );
      const kept = pieces.filter(({ level }) => level > 0);
      expect(marks.map(({ title }) => title)).toEqual(
        kept.map(
          ({ token, held_by: held }) =>
            expect.stringMatching(
              new RegExp(`^token ${token}, (score .*, )?held by ${held} of ${heads} heads$`),
            ) as string,
        ),
      );
      // The more heads, the stronger; equals alike; and what is stronger looks otherwise.
      const held = kept.map(({ held_by: own = 0 }) => own);
      for (const [i, { level }] of marks.entries())
        for (const [j, other] of marks.entries())
          if ((held[i] ?? 0) > (held[j] ?? 0)) expect(level).toBeGreaterThanOrEqual(other.level);
      expect(new Set(held).size).toBeGreaterThan(1);
      const levels = new Set(marks.map(({ level }) => level));
      expect(levels.size).toBeGreaterThan(1);
      expect(new Set(marks.map(({ shade }) => shade)).size).toBe(levels.size);
    },
  );

  test(
    "a long compression tells how far it is, and stops at once when it is cancelled",
    async (context) => {
      const { page, server } = await open(context);
      await page.getByLabel("Text", { exact: true }).fill(`${TEXT} `.repeat(1200));
      await page.getByRole("slider", { name: "Keep" }).press("Home");
      await page.getByText("More settings").click();
      await page.getByLabel("Compress in folds").check();
      // A third of the way a person has had enough; a tiny model is quicker than a test that looks from outside.
      await page.evaluate(`{
        const seen = [];
        globalThis.seen = seen;
        new MutationObserver((_, observer) => {
          const bar = document.querySelector("progress[aria-label=Compressing]");
          if (bar === null || !bar.hasAttribute("value") || bar.value === seen.at(-1)?.value) return;
          seen.push({ value: bar.value, said: document.querySelector(".progress .quiet").textContent });
          if (bar.value <= 1 / 3) return;
          observer.disconnect();
          [...document.querySelectorAll("button")].find((own) => own.textContent === "Cancel").click();
        }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
      }`);
      await page.getByRole("button", { name: "Compress", exact: true }).click();
      await page.getByRole("progressbar", { name: "Compressing" }).waitFor();
      await page.getByRole("button", { name: "Compress", exact: true }).waitFor();
      await soon(() => server.service.jobs.queue.active).toBe(0);
      expect(server.service.store.count).toBe(0);
      expect(await page.getByRole("alert").count()).toBe(0);
      const seen = await page.evaluate<readonly { value: number; said: string }[]>("seen");
      const values = seen.map(({ value }) => value);
      expect(values.length).toBeGreaterThan(3);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(values.at(-1)).toBeLessThan(1);
      // Before the first fold there is none to tell of.
      for (const { said } of seen.slice(1)) expect(said).toMatch(/^[\d,]+ of [\d,]+ tokens, fold \d+ of \d+$/);
      // The text is still there, and a smaller part of it goes through.
      expect((await page.getByLabel("Text", { exact: true }).inputValue()).length).toBeGreaterThan(10_000);
      await compress(page);
      expect(server.service.store.count).toBe(1);
    },
    TIME,
  );

  test(
    "takes a dropped file, says what is none, and tells what the server refuses",
    async (context) => {
      const { page } = await open(context);
      const drop = async (name: string, bytes: readonly number[]): Promise<void> => {
        const file = `new File([new Uint8Array(${JSON.stringify(bytes)})], ${JSON.stringify(name)})`;
        const data = await page.evaluateHandle<object>(
          `{ const transfer = new DataTransfer(); transfer.items.add(${file}); transfer }`,
        );
        await page.dispatchEvent("form.drop", "drop", { dataTransfer: data });
      };
      await drop("cat.txt", [...Buffer.from(TEXT)]);
      await soon(() => page.getByLabel("Text", { exact: true }).inputValue()).toBe(TEXT);
      await page.getByText("cat.txt").waitFor();
      await drop("cat.pdf", [0x25, 0x50, 0x44, 0x46, 0xff, 0xfe]);
      expect(await page.getByRole("alert").innerText()).toContain("cat.pdf is no plain text");

      await page.getByLabel("Text", { exact: true }).fill(`${TEXT} `.repeat(8));
      await page.getByRole("button", { name: "Compress", exact: true }).click();
      await soon(() => page.getByRole("alert").innerText()).toMatch(/fold/);
      await page.getByText("More settings").click();
      await page.getByLabel("Compress in folds").check();
      await page.getByRole("button", { name: "Compress", exact: true }).click();
      await page.getByRole("heading", { name: "What was kept" }).waitFor();
      // More than the model reads: its compressed cache answers, the full one cannot.
      await page.getByLabel("Longest answer").fill("2");
      await page.getByLabel("Question").fill("who?");
      await page.getByRole("button", { name: "Ask" }).click();
      await page.locator("article .failure").waitFor();
      expect(await page.locator("article").allInnerTexts()).toHaveLength(2);
    },
    TIME,
  );

  test(
    "long work is told, and can be cancelled",
    async (context) => {
      const { page, server } = await open(context, { limits: { active: 1, waiting: 4 } });
      const { queue } = server.service.jobs;
      const place = await server.service.jobs.begin("somebody else", new AbortController().signal);
      await page.getByLabel("Text", { exact: true }).fill(TEXT);
      await page.getByRole("button", { name: "Compress", exact: true }).click();
      await page.getByRole("progressbar", { name: "Compressing" }).waitFor();
      await soon(() => queue.waiting).toBe(1);
      await page.getByRole("button", { name: "Cancel" }).click();
      await soon(() => queue.waiting).toBe(0);
      await page.getByRole("button", { name: "Compress", exact: true }).waitFor();
      expect(await page.getByRole("alert").count()).toBe(0);
      place.end();

      await compress(page);
      const again = await server.service.jobs.begin("somebody else", new AbortController().signal);
      await page.getByLabel("Question").fill("who?");
      await page.getByRole("button", { name: "Ask" }).click();
      await soon(() => queue.waiting).toBe(1);
      await page.getByRole("button", { name: "Stop" }).click();
      await soon(() => queue.waiting).toBe(0);
      expect(await page.locator("article").allInnerTexts()).toEqual([
        expect.stringContaining("Stopped"),
        expect.stringContaining("Stopped"),
      ]);
      again.end();
    },
    TIME,
  );

  test(
    "contexts: listed, downloaded, deleted, uploaded again",
    async (context) => {
      const { page, server } = await open(context);
      await compress(page);
      await page.getByRole("link", { name: "Contexts" }).click();
      const entries = page.locator("ul.cards > li");
      await soon(() => entries.count()).toBe(1);
      const saving = page.waitForEvent("download");
      await page.getByRole("button", { name: /^Download/ }).click();
      const file = await (await saving).path();
      const [stored] = server.service.store.list("local");
      expect((await readFile(file)).length).toBe(stored?.bytes);

      page.once("dialog", (dialog) => void dialog.accept());
      await page.getByRole("button", { name: /^Delete/ }).click();
      await page.getByText("There are none yet.").waitFor();
      expect(server.service.store.count).toBe(0);

      const bytes = await readFile(file);
      const picker = page.getByLabel("A .kvd file");
      await picker.setInputFiles({
        name: "cat.kvd",
        mimeType: "application/octet-stream",
        buffer: bytes.subarray(0, 99),
      });
      await page.getByRole("alert").waitFor();
      await picker.setInputFiles({ name: "cat.kvd", mimeType: "application/octet-stream", buffer: bytes });
      await page.getByRole("heading", { name: "What was kept" }).waitFor();
      expect(server.service.store.count).toBe(1);
      const text = page.getByRole("region", { name: "Text with kept tokens marked" });
      expect(await text.innerText()).toContain(TEXT);
    },
    TIME,
  );

  test(
    "runs: a training run goes on, an evaluation's report lies in a frame that cannot reach out",
    async (context) => {
      const { page, faults } = await open(context);
      await page.getByRole("link", { name: "Runs" }).click();
      await page.getByRole("link", { name: "trained" }).click();
      const curve = page.getByRole("img", { name: /3 steps/ });
      await curve.waitFor();
      const width = await page.evaluate<number>("document.querySelector('img.curve').naturalWidth");
      expect(width).toBeGreaterThan(100);
      expect(await page.locator("main").innerText()).toContain("3 of 8");
      // As the page does every five seconds.
      await writeTrainingRun(join(runs, "trained"), 5, 8);
      await page.getByRole("img", { name: /5 steps/ }).waitFor();
      expect(await page.locator("main").innerText()).not.toContain("somebody");

      await page.getByRole("link", { name: "All runs" }).click();
      await page.getByRole("link", { name: "evaluations/first" }).click();
      const report = page.frameLocator("iframe.report");
      await report.getByRole("heading", { name: "squad: tiny" }).waitFor();
      // Its script runs, and its style sheet is there.
      await report.getByText("6 of 6 questions").waitFor();
      const frame = page.frames()[1];
      expect(await frame?.evaluate<string>("getComputedStyle(document.body).maxWidth")).not.toBe("none");
      expect(await frame?.evaluate<string>("origin")).toBe("null");
      expect(faults).toEqual([]);
    },
    TIME,
  );

  test(
    "asks for the token that the server wants",
    async (context) => {
      const { page, server } = await open(context, { tokens: [TOKEN] });
      await page.getByRole("heading", { name: "This server needs a token" }).waitFor();
      expect(await inaccessible(page)).toEqual([]);
      await page.getByLabel("Token").fill("a-token-that-is-wrong");
      await page.getByRole("button", { name: "Go on" }).click();
      expect(await page.getByRole("alert").innerText()).toContain("does not know this token");
      await page.getByLabel("Token").fill(TOKEN);
      await page.getByRole("button", { name: "Go on" }).click();
      await compress(page);
      expect(server.service.store.count).toBe(1);
      expect(server.service.store.list("local")).toEqual([]);
      await page.reload();
      await page.getByRole("heading", { name: "What was kept" }).waitFor();
    },
    TIME,
  );

  test.for([
    { title: "wide, light", look: { viewport: { width: 1280, height: 900 }, colorScheme: "light" } },
    { title: "narrow, light", look: { viewport: { width: 390, height: 844 }, colorScheme: "light" } },
    {
      title: "narrow, dark",
      look: { viewport: { width: 390, height: 844 }, colorScheme: "dark", reducedMotion: "reduce" },
    },
  ] as const)(
    "$title: nothing that axe finds fault with, nothing wider than the screen, all by keyboard",
    { timeout: TIME },
    async ({ look }, context) => {
      const { page } = await open(context, {}, look);
      const check = async (): Promise<void> => {
        expect(await inaccessible(page)).toEqual([]);
        const width = await page.evaluate<number>("document.documentElement.scrollWidth");
        expect(width).toBeLessThanOrEqual(look.viewport.width);
      };
      await page.getByLabel("Text", { exact: true }).focus();
      await check();
      await page.keyboard.type(TEXT.slice(0, 40));
      const focused = (): Promise<string> => page.evaluate<string>("document.activeElement.textContent");
      for (let i = 0; i < 12 && (await focused()) !== "Compress"; i++) await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "What was kept" }).waitFor();
      // The new view is read out from its heading on.
      expect(await page.evaluate<string>("document.activeElement.tagName")).toBe("H1");
      await page.getByLabel("Longest answer").fill("4");
      await page.getByLabel("Question").fill("who?");
      await page.keyboard.press("Enter");
      await soon(() => page.getByText("Length", { exact: true }).count()).toBe(2);
      await check();
      for (const link of ["Contexts", "Runs"]) {
        await page.getByRole("link", { name: link, exact: true }).click();
        await page.locator("ul.cards").waitFor();
        await check();
      }
    },
  );
});
