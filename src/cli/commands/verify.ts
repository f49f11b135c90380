import { adapterHash } from "../../cache/adapter-hash.ts";
import { loadAdapter } from "../../cache/load-adapter.ts";
import { describeKvd, loadKvd } from "../../cache/load-kvd.ts";
import { printable } from "../../util/printable.ts";
import { defineCommand } from "../define-command.ts";
import { openModelFiles } from "../model.ts";
import { isFolder } from "../path-kind.ts";
import { jsonOption } from "../shared-options.ts";
import { argument, option, text } from "../spec.ts";

export const verify = defineCommand({
  name: "verify",
  summary: "whether a cache file or an adapter folder is whole",
  description:
    "Checks every rule of a .kvd file or an adapter folder: structure, sizes, checksum, positions, finite numbers; with --model " +
    "also whether it belongs to that model. Exit code 0 when all is well, 1 with the reason when it is not.",
  arguments: { path: argument("path", ".kvd file or adapter folder") },
  options: { model: option("--model <name|path>", "the model that it must belong to", text), json: jsonOption },
  examples: [
    ["verify report.kvd", "checksum and rules"],
    ["verify report.kvd --model smollm2-135m-instruct", "and that this model can read it"],
  ],
  run: async ({ options: { model, json }, arguments: { path } }, context) => {
    const folder = await isFolder(path);
    const files = model === undefined ? undefined : await openModelFiles(model, context);
    const expectation = files === undefined ? {} : { expectModel: files };
    const sha256 = folder ? await adapterSum(path, expectation) : await cacheSum(path, expectation);
    if (json)
      context.out.json({ ok: true, kind: folder ? "adapter" : "cache", path, sha256, model: files?.name ?? null });
    else {
      const whose = files === undefined ? "" : `, belongs to ${files.name}`;
      context.out.line(printable(`${path}: whole${whose} (sha256 ${sha256})`));
    }
  },
});

type Expectation = NonNullable<Parameters<typeof loadAdapter>[1]>;

async function adapterSum(path: string, expectation: Expectation): Promise<string> {
  return adapterHash(await loadAdapter(path, expectation));
}

async function cacheSum(path: string, expectation: Expectation): Promise<string> {
  await loadKvd(path, expectation);
  return (await describeKvd(path)).sha256;
}
