import { mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { must } from "../target.ts";

/** Files by their path below a folder. */
export type Files = Readonly<Record<string, Uint8Array>>;

/** Seconds since 1970 that everything laid down was last changed at: what touches it afterwards leaves another time. */
const LONG_AGO = 1;

/**
 * The files of a folder, from one case to the next. Their bytes are known by identity, so that of a case with one damaged file
 * only that file is written. Whether a parser has written, made or taken away anything is seen by the times of files and folders, whatever their size.
 */
export class LaidFiles {
  private readonly root: string;
  /** What lies there; undefined when something else may. */
  private laid: Files | undefined;
  private folders: readonly string[] = [];

  constructor(root: string) {
    this.root = root;
  }

  /** Lays down these files and nothing else. */
  become(files: Files): void {
    if (this.laid === undefined) this.clear();
    const before = this.laid ?? {};
    // Until all is done, and until `check` has found it so, nothing is sure.
    this.laid = undefined;
    const names = Object.keys(files);
    const gone = Object.keys(before).filter((name) => !Object.hasOwn(files, name));
    const others = gone.length > 0 || names.length !== Object.keys(before).length;
    for (const name of gone) rmSync(join(this.root, name));
    if (others) this.folders = this.makeFolders(names);
    for (const [name, bytes] of Object.entries(files)) {
      if (Object.hasOwn(before, name) && before[name] === bytes) continue;
      writeFileSync(join(this.root, name), bytes);
      utimesSync(join(this.root, name), LONG_AGO, LONG_AGO);
    }
    if (others) for (const folder of this.folders) utimesSync(folder, LONG_AGO, LONG_AGO);
    this.laid = files;
  }

  /** @throws Broken when the files are no longer there as they were laid down, or others are */
  check(): void {
    const files = this.laid ?? {};
    this.laid = undefined;
    for (const folder of this.folders) {
      if (isUntouched(folder)) continue;
      const names = Object.keys(files).sort();
      const left = filesBelow(this.root);
      must(left.join("\n") === names.join("\n"), `files in the folder: ${left.join(", ")}`);
      // A temporary file that came and went.
      utimesSync(folder, LONG_AGO, LONG_AGO);
    }
    for (const [name, bytes] of Object.entries(files))
      must(isUntouched(join(this.root, name), bytes.length), `${name} was changed`);
    this.laid = files;
  }

  private clear(): void {
    for (const name of filesBelow(this.root)) rmSync(join(this.root, name));
    this.folders = [];
  }

  private makeFolders(names: readonly string[]): readonly string[] {
    const folders = new Set([this.root]);
    for (const name of names) {
      mkdirSync(dirname(join(this.root, name)), { recursive: true });
      for (let folder = dirname(name); folder !== "."; folder = dirname(folder)) folders.add(join(this.root, folder));
    }
    return [...folders];
  }
}

function isUntouched(path: string, size?: number): boolean {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts?.mtimeMs === LONG_AGO * 1000 && (size === undefined || facts.size === size);
}

function filesBelow(folder: string, prefix = ""): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries
    .flatMap((entry) =>
      entry.isDirectory() ? filesBelow(join(folder, entry.name), `${prefix}${entry.name}/`) : [prefix + entry.name],
    )
    .sort();
}
