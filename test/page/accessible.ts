import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe-core tells of a fault. */
interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** Faults that axe-core finds, by rule and place. */
export async function inaccessible(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(AXE, "utf8"));
  const violations = await page.evaluate<readonly Violation[]>(
    "axe.run({ iframes: false }).then((found) => found.violations)",
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
