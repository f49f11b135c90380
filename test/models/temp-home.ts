import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";

/** A fresh cache folder and a fresh work folder for each test of a file; `KV_DISTILL_HOME` points at the first. */
export function useTempHome(): { readonly home: () => string; readonly work: () => string } {
  let root = "";
  const before = process.env.KV_DISTILL_HOME;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "kv-distill-models-"));
    process.env.KV_DISTILL_HOME = join(root, "home");
  });
  afterEach(async () => {
    if (before === undefined) delete process.env.KV_DISTILL_HOME;
    else process.env.KV_DISTILL_HOME = before;
    await rm(root, { recursive: true });
  });
  return { home: () => join(root, "home"), work: () => root };
}
