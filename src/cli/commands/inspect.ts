import { loadAdapter } from "../../cache/load-adapter.ts";
import { describeKvd, loadKvd } from "../../cache/load-kvd.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { KvDistillError } from "../../util/errors.ts";
import { renderTable } from "../../util/table.ts";
import type { Output } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { adapterFacts, adapterRows } from "../inspect/adapter-facts.ts";
import { cacheFacts, cacheRows } from "../inspect/cache-facts.ts";
import { cachePage } from "../inspect/cache-page.ts";
import { keptTokens } from "../../compress/kept-in-cache.ts";
import { openModelFiles } from "../model.ts";
import { isFolder } from "../path-kind.ts";
import { DEFAULT_MODEL, jsonOption } from "../shared-options.ts";
import { argument, option, text } from "../spec.ts";

export const inspect = defineCommand({
  name: "inspect",
  summary: "what is inside a cache file or an adapter folder",
  description:
    "Tells what is inside a .kvd cache or an adapter folder: model, hashes, method, asked and obtained keep, sizes, positions. " +
    "The whole of it is verified first.",
  arguments: { path: argument("path", ".kvd file or adapter folder") },
  options: {
    html: option("--html <file>", "write a page that shows the text with kept tokens marked", text),
    model: option(
      "--model <name|path>",
      `the model that it must belong to; for --html the default is ${DEFAULT_MODEL}`,
      text,
    ),
    json: jsonOption,
  },
  examples: [
    ["inspect report.kvd", "a table"],
    ["inspect report.kvd --html kept.html", "and the text with what was kept, to read in a browser"],
    ["inspect adapters/my-adapter --json", "settings of an adapter as one line of JSON"],
  ],
  run: async ({ options: { html, model, json }, arguments: { path } }, context) => {
    const folder = await isFolder(path);
    if (folder && html !== undefined) {
      throw new KvDistillError("bad-argument", "an adapter holds no text to show", { where: "--html" });
    }
    const named = model ?? (html === undefined ? undefined : DEFAULT_MODEL);
    const files = named === undefined ? undefined : await openModelFiles(named, context);
    const expectation = files === undefined ? {} : { expectModel: files };
    if (folder) {
      const facts = adapterFacts(path, await loadAdapter(path, expectation));
      print(context.out, json, facts, adapterRows(facts));
      return;
    }
    const description = await describeKvd(path);
    const cache = await loadKvd(path, expectation);
    const facts = cacheFacts(description, cache);
    if (html !== undefined && files !== undefined) {
      const page = cachePage(facts, keptTokens(cache), textOf(path, files, cache.tokenIds));
      await writeFileAtomic(html, Buffer.from(page), { mode: 0o600 });
      context.log.info(`wrote ${html}`);
    }
    print(context.out, json, facts, cacheRows(facts));
  },
});

/** The text of a cache's context. */
function textOf(
  path: string,
  { tokenizer }: ModelFiles,
  ids: Int32Array | undefined,
): ReturnType<ModelFiles["tokenizer"]["spans"]> {
  if (ids !== undefined) return tokenizer.spans(Array.from(ids));
  throw new KvDistillError("unsupported", "the cache does not hold its text", {
    where: path,
    hint: "compress the text again, storing its token ids",
  });
}

function print(out: Output, json: boolean, facts: object, rows: readonly (readonly [string, string])[]): void {
  if (json) {
    out.json(facts);
    return;
  }
  const columns = [{ name: "what" }, { name: "value" }];
  out.line(
    renderTable({ columns, rows }, { ...(out.width === undefined ? {} : { width: out.width }), colours: out.colours }),
  );
}
