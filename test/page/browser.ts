import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, type TestContext } from "vitest";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Chromium of this machine: what CHROMIUM names, or the first that is on the PATH. */
export const chromiumPath =
  process.env.CHROMIUM ??
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find(isExecutable);

/**
 * One browser for the tests of a file, if this machine has one.
 * @returns ends a test that needs it as skipped where there is none, and says so; a path in CHROMIUM that does not start fails
 */
export function useBrowser(): (context: TestContext) => Browser {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (chromiumPath === undefined) return;
    // Where tests run as root Chromium has no sandbox of its own; the pages are the project's.
    browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] });
  });
  afterAll(async () => {
    await browser?.close();
  });
  return (context) => {
    if (browser !== undefined) return browser;
    const reason = `there is no Chromium (${NAMES.join(", ")} on the PATH, or a path in CHROMIUM)`;
    console.log(`skipped: ${context.task.name}: ${reason}`);
    return context.skip(reason);
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
