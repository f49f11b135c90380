import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { afterEach, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { compareRuns } from "../../src/evaluate/report/compare-runs.ts";
import { comparisonPage } from "../../src/evaluate/report/page/comparison-page.ts";
import { readRun } from "../../src/evaluate/report/read-run.ts";
import { reportOf } from "../../src/evaluate/report/report-of.ts";
import { type RunShape, useFolder, writeRun } from "../evaluate/report/stored-run.ts";
import { inaccessible } from "./accessible.ts";
import { useBrowser } from "./browser.ts";

const TIME = 120_000;
const LOOKS = [1280, 390].flatMap((width) =>
  (["light", "dark"] as const).map((colorScheme) => ({ width, colorScheme, title: `${width} px, ${colorScheme}` })),
);
type Look = Pick<(typeof LOOKS)[number], "width" | "colorScheme">;
const WIDE: Look = { width: 1280, colorScheme: "light" };
const METHODS = [
  ...["full", "none", "random", "streaming", "truncated", "knorm", "keydiff", "tova", "snapkv", "pyramidkv"],
  ...["expected-attention", "h2o", "kvzip-uniform", "kvzip", "kv-distill"],
];
const failure = {
  code: "context-too-long",
  message: "the context has more tokens than the model can read. ".repeat(4),
};

/** All methods at the budgets of the leaderboard, answers of every sort, an identifier without a place to break, and a failure. */
const full: RunShape = {
  questions: 24,
  methods: METHODS,
  keeps: [1, 0.5, 0.25, 0.2, 0.1, 0.05, 0.01],
  passageText: "It was the best of times, it was the worst of times.\n".repeat(40),
  text: (sample) => ({
    question: sample === 1 ? "w".repeat(200) : `question ${sample}?`,
    golds: ["one", "g".repeat(120)],
  }),
  row: (sample, { method, keep }) =>
    sample === 2 && method === "h2o" && keep === 0.01
      ? { failure, finish: "failure", rows: null, goldInAnswer: 0, forwardKl: null, top1: null, answerNll: null }
      : {
          answer: sample === 3 ? "a".repeat(150) : `answer ${sample} of ${method}`,
          id: `${sample}-${"0f".repeat(16)}`,
        },
};
const fewer: RunShape = { ...full, methods: METHODS.slice(0, 4), identity: { adapterHash: "e".repeat(64) } };
/** Two places downwards and many across: maps that are wide and low. */
const maps: RunShape = {
  questions: 24,
  keeps: [0.5, 0.25],
  row: (sample) => ({ facts: { length: 512 * 2 ** (sample % 6), depth: sample % 2 } }),
};

const folder = useFolder();
const browserOf = useBrowser();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

let pages = 0;

async function stored(shape: RunShape): ReturnType<typeof readRun> {
  const at = join(folder(), `run${pages++}`);
  await writeRun(at, shape);
  return readRun(at);
}

const PAGES = ["a run", "a run with maps", "two runs"] as const;
const contents: Partial<Record<(typeof PAGES)[number], string>> = {};
beforeAll(async () => {
  const [first, second, mapped] = [await stored(full), await stored(fewer), await stored(maps)];
  contents["a run"] = (await reportOf(first, { start: 0, end: 4 })).page;
  contents["a run with maps"] = (await reportOf(mapped, { start: 0, end: 2 })).page;
  contents["two runs"] = comparisonPage(compareRuns(first, second));
});

interface Opened {
  readonly page: Page;
  /** Addresses that the browser asked for. */
  readonly asked: readonly string[];
  readonly url: string;
}

async function open(context: TestContext, content: string, { width, colorScheme }: Look = WIDE): Promise<Opened> {
  const path = join(folder(), `page${pages++}.html`);
  await writeFile(path, content);
  const own = await browserOf(context).newContext({ viewport: { width, height: 900 }, colorScheme });
  ends.push(() => own.close());
  const page = await own.newPage();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  const url = pathToFileURL(path).href;
  await page.goto(url);
  return { page, asked, url };
}

/** Texts and legend lines of plots in sight that lie over each other, or that stick out of their plot. */
const CLASHES = `[...document.querySelectorAll("svg[role=img]")].filter((svg) => svg.checkVisibility()).flatMap((svg) => {
  const name = svg.getAttribute("aria-label");
  const frame = svg.getBoundingClientRect();
  const signs = [...svg.querySelectorAll("text, g > path[class^=line]")]
    .filter((sign) => sign.ownerSVGElement === svg)
    .map((sign) => ({ said: sign.textContent || "a line of the legend", box: sign.getBoundingClientRect() }));
  const outside = signs.filter(({ box }) =>
    box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom);
  const over = signs.flatMap((a, i) => signs.slice(i + 1).flatMap((b) => {
    const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    // Lines of text may touch: a line's box is higher than its letters. A line of a legend has no height.
    const flat = Math.min(a.box.height, b.box.height) === 0;
    return across > 1 && down >= (flat ? 0 : 4) ? [name + ": " + a.said + " | " + b.said] : [];
  }));
  return [...outside.map(({ said }) => name + ": " + said + " sticks out"), ...over];
})`;

/** Marks of plots in sight of which more than half a pixel is cut off. */
const CUT = `[...document.querySelectorAll("svg[role=img] > svg")].filter((plot) => plot.checkVisibility()).flatMap((plot) => {
  const frame = plot.getBoundingClientRect();
  const scale = frame.width / plot.width.baseVal.value;
  return [...plot.querySelectorAll("path[transform]")].filter((mark) => {
    const [, x] = /translate\\(([-\\d.]+)/.exec(mark.getAttribute("transform"));
    const [left, , width] = plot.getAttribute("viewBox").split(" ").map(Number);
    return scale * (x - left) < 4 || scale * (left + width - x) < 4;
  }).map((mark) => mark.textContent);
})`;

describe("a page of evaluations", () => {
  for (const name of PAGES) {
    test.for(LOOKS)(
      `${name}, $title: nothing wider than the screen, no fault that axe finds, no label over another, nothing asked for`,
      { timeout: TIME },
      async (look, context) => {
        const { page, asked, url } = await open(context, contents[name] ?? "", look);
        const opened = "for (const own of document.querySelectorAll('details')) own.open = true";
        for (const prepare of ["", opened]) {
          await page.evaluate(prepare);
          expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(look.width);
        }
        expect(await inaccessible(page)).toEqual([]);
        expect(await page.evaluate<number>("document.querySelectorAll('figure svg[role=img]').length")).toBeGreaterThan(
          2,
        );
        expect(await page.evaluate<string[]>(CLASHES)).toEqual([]);
        expect(await page.evaluate<string[]>(CUT)).toEqual([]);
        expect(asked).toEqual([url]);
      },
    );
  }

  test(
    "kept tokens of kv-distill are in sight, stronger marks are darker; questions are searched, filtered, seen beside a method",
    { timeout: TIME },
    async (context) => {
      const row: RunShape["row"] = (sample, { method, keep }) => ({
        goldInAnswer: method === "full" || (keep === 1 && sample !== 5) ? 1 : 0,
      });
      const run = await stored({ questions: 6, keeps: [1, 0.25], row });
      const { page } = await open(context, (await reportOf(run, { start: 0, end: 40 })).page);
      const kept = page.locator("details.kept[open]");
      expect(await kept.count()).toBe(3);
      expect(await kept.first().innerText()).toContain("What kv-distill 25% kept");
      const shades = await page.evaluate<number[]>(
        `[...document.querySelectorAll("details.kept[open] mark")].slice(0, 5).map((mark) =>
          Number(/([\\d.]+)\\)$/.exec(getComputedStyle(mark).backgroundColor)[1]))`,
      );
      expect(shades).toEqual(shades.toSorted((a, b) => a - b));
      expect(new Set(shades).size).toBe(5);

      const shown = () => page.locator(".question:visible").count();
      expect(await shown()).toBe(6);
      await page.getByLabel("Search").fill("question 3?");
      expect(await shown()).toBe(1);
      expect(await page.locator(".passage:visible").count()).toBe(1);
      await page.getByLabel("Search").fill("");
      // At 25 % all are worse, at 100 % one is.
      await page.getByLabel("Show").selectOption("worse than the full cache");
      expect(await shown()).toBe(6);
      await page.getByLabel("Beside the full cache").selectOption("h2o 100%");
      expect(await shown()).toBe(1);
      expect(await page.locator("details.kept[open]:visible").allInnerTexts()).toEqual([
        expect.stringContaining("What h2o 100% kept"),
      ]);
      await page.getByLabel("Beside the full cache").selectOption({ index: 0 });
      expect(await shown()).toBe(6);
      expect(await page.locator(".count").innerText()).toBe("6 of 6 questions");
    },
  );
});
