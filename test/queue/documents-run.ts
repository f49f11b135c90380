import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, expect } from "vitest";
import { compressByQueue } from "../../src/distribute/compress-by-queue.ts";
import { type CompressedFolder, compressFolder } from "../../src/distribute/documents/compress-folder.ts";
import { type Link, withLink } from "../../src/distribute/link.ts";
import { fileMemory } from "../../src/distribute/run/memory.ts";
import { createLogger } from "../../src/util/log.ts";
import { hashes, writeDocuments } from "./files.ts";
import { type Setting, TOKEN } from "./setting.ts";

export interface Sent {
  readonly notes: string[];
  readonly jobs: () => number;
  readonly end: Promise<CompressedFolder>;
}

export interface DocumentsRun {
  /** Sends one job for each document; with `resume` for those that are left. */
  readonly send: (name: string, options?: { readonly resume?: boolean }) => Sent;
  /** Waits for the end: every document once, the bytes of one machine, nothing left in the store. */
  readonly same: (name: string, sent: Sent) => Promise<void>;
  readonly linked: <T>(work: (link: Link) => Promise<T>) => Promise<T>;
}

/** Documents of a few dozen words, compressed by this machine alone before the tests of a file. */
export function useDocuments(setting: Setting, count: number): DocumentsRun {
  const WORDS = "The mill by the river burned in the dry summer and was built again of grey stone.".split(" ");
  const names = Array.from({ length: count }, (_, i) => `d${String(i).padStart(2, "0")}.txt`);
  const textOf = (i: number): string =>
    Array.from({ length: 40 + 5 * (i % 8) }, (_, j) => WORDS[(i + j * (i + 1)) % WORDS.length]).join(" ");
  const settings = { keep: 0.25, method: "h2o", fold: false, marked: false, seed: 0 } as const;
  const folder = (name: string): string => join(setting.work(), name);
  let expected: Readonly<Record<string, string>> = {};
  beforeAll(async () => {
    const from = await writeDocuments(
      folder("documents"),
      Object.fromEntries(names.map((name, i) => [name, textOf(i)])),
    );
    await compressFolder({ model: setting.model(), from, out: folder("alone"), settings });
    expected = await hashes(folder("alone"));
  });
  const linked: DocumentsRun["linked"] = (work) => {
    const link = { queue: setting.redis().url, token: TOKEN, store: setting.store() };
    return withLink(
      link,
      createLogger("silent", () => undefined),
      work,
    );
  };
  return {
    linked,
    send: (name, { resume = false } = {}) => {
      const notes: string[] = [];
      let ended = 0;
      const memory = fileMemory(folder(`${name}.queue.json`));
      const end = linked((own) =>
        compressFolder({
          model: setting.model(),
          from: folder("documents"),
          out: folder(name),
          settings,
          resume,
          compress: compressByQueue({
            link: own,
            title: name,
            shardSize: 1,
            memory,
            pollMilliseconds: 100,
            retryMilliseconds: 100,
            onNote: (line) => notes.push(line),
            onProgress: ({ done }) => (ended = done),
          }),
        }),
      );
      return { notes, jobs: () => ended, end };
    },
    same: async (name, { end }) => {
      const { lines } = await end;
      expect(lines.map((line) => line.document)).toEqual(names);
      expect(await hashes(folder(name))).toEqual(expected);
      expect(await setting.storedRuns()).toEqual([]);
    },
  };
}

export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await pause(20);
}
