import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Case, must } from "../target.ts";
import { damages } from "./bytes.ts";

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

/** Files by their path below the scratch folder. */
export type Files = Readonly<Record<string, Uint8Array>>;

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
      writeFiles(scratch, files);
      try {
        await run(scratch);
      } finally {
        const left = filesBelow(scratch);
        must(left.join("\n") === names.join("\n"), `files in the folder: ${left.join(", ")}`);
        for (const name of names)
          must(statSync(join(scratch, name)).size === files[name]?.length, `${name} was changed`);
      }
    },
  };
}

const made = new Set<string>();

/** Writes files and takes away all others. */
export function writeFiles(scratch: string, files: Files): void {
  for (const name of filesBelow(scratch)) if (!Object.hasOwn(files, name)) rmSync(join(scratch, name));
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(scratch, name);
    const folder = dirname(path);
    if (!made.has(folder)) {
      mkdirSync(folder, { recursive: true });
      made.add(folder);
    }
    writeFileSync(path, bytes);
  }
}

function filesBelow(folder: string, prefix = ""): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(folder, entry.name), `${prefix}${entry.name}/`) : [prefix + entry.name],
    )
    .sort();
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
