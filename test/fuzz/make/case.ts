import { readFileSync } from "node:fs";
import type { Case } from "../target.ts";
import { damages } from "./bytes.ts";
import { type Files, LaidFiles } from "./laid-files.ts";

export type { Files } from "./laid-files.ts";

const SHOWN_BYTES = 20_000;

/** Bytes as text for people: base64 where they are no UTF-8. */
export function shownBytes(bytes: Uint8Array): string {
  const some = bytes.subarray(0, SHOWN_BYTES);
  const more = bytes.length > SHOWN_BYTES ? `… of ${bytes.length} bytes` : "";
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(some) + more;
  } catch {
    return `base64:${Buffer.from(some).toString("base64")}${more}`;
  }
}

/** A case of bytes in memory. */
export function bytesCase(bytes: Uint8Array, run: (bytes: Uint8Array) => Promise<void> | void): Case {
  return { bytes: bytes.length, shown: () => shownBytes(bytes), run: async () => run(bytes) };
}

/**
 * A case of files: they are written, given to the parser, and must lie there afterwards as they were, with nothing beside them.
 * @param run gets the scratch folder
 */
export function filesCase(scratch: string, files: Files, run: (folder: string) => Promise<void>): Case {
  const names = Object.keys(files).sort();
  const bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0);
  return {
    bytes,
    shown: () => names.map((name) => `=== ${name}\n${shownBytes(files[name] ?? new Uint8Array())}`).join("\n"),
    run: async () => {
      const laid = laidIn(scratch);
      laid.become(files);
      try {
        await run(scratch);
      } finally {
        laid.check();
      }
    },
  };
}

const all = new Map<string, LaidFiles>();

/** The files that lie in a scratch folder, which its cases share: only what differs from the case before is written. */
function laidIn(scratch: string): LaidFiles {
  const laid = all.get(scratch) ?? new LaidFiles(scratch);
  all.set(scratch, laid);
  return laid;
}

/** Every damage of one of some files, the others whole. */
export function* damagedFiles(files: Files, name: string): Generator<Files> {
  const whole = files[name];
  if (whole === undefined) throw new RangeError(`no file ${name}`);
  for (const bytes of damages(whole)) yield { ...files, [name]: bytes };
}

export function golden(path: string): Buffer {
  return readFileSync(new URL(`../../golden/${path}`, import.meta.url));
}

export function goldenJson(path: string): unknown {
  return JSON.parse(golden(path).toString("utf8")) as unknown;
}
