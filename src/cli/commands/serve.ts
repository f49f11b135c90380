import { join } from "node:path";
import { loadAdapter } from "../../cache/load-adapter.ts";
import { findShippedAdapter } from "../../cache/shipped-adapter.ts";
import { attachAdapter, type LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { cacheHome } from "../../models/home.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { allowedHosts, isLoopback } from "../../server/access/hosts.ts";
import { createTokens, parseTokens } from "../../server/access/tokens.ts";
import { createApp } from "../../server/app.ts";
import { createService } from "../../server/create-service.ts";
import { threadedEncoder } from "../../server/encoder/threaded-encoder.ts";
import { listen } from "../../server/listen.ts";
import { collectProcessMetrics } from "../../server/metrics.ts";
import { loadPage } from "../../server/page/load-page.ts";
import { findRuns } from "../../server/shared-runs/find-runs.ts";
import { warmUp } from "../../server/warm-up.ts";
import { aborted } from "../../util/aborted.ts";
import { KvDistillError } from "../../util/errors.ts";
import { readTextFile } from "../../util/read-text.ts";
import { defineCommand } from "../define-command.ts";
import { useModel } from "../model.ts";
import { accessOptions, limitOptions, limitsOf } from "../serve/options.ts";
import { adapterOption, jsonOption, readingOptions } from "../shared-options.ts";
import { type OptionValues, option, text } from "../spec.ts";

const MAX_TOKEN_BYTES = 1 << 20;

const options = {
  ...readingOptions,
  adapter: { ...adapterOption, description: `${adapterOption.description}; default: the package's own for this model` },
  ...accessOptions,
  store: option("--store <folder>", "where contexts are kept (default: KV_DISTILL_HOME/contexts)", text),
  runs: option("--runs <folder>", "training runs and evaluations to show, to everybody who may ask", text),
  ...limitOptions,
  json: jsonOption,
} as const;

export const serve = defineCommand({
  name: "serve",
  summary: "an HTTP server: contexts are compressed, kept and questioned; OpenAI-compatible",
  description:
    "Answers on http://127.0.0.1:8080 as the OpenAI API does (/v1/chat/completions, /v1/completions, /v1/models) and keeps compressed " +
    "contexts (/v1/contexts) that answers may be read from. A browser gets a page. Only this machine can reach it unless --host says otherwise; then " +
    "clients must send a token. docs/server.md has every path.",
  arguments: {},
  options,
  examples: [
    ["serve", "on this machine alone"],
    ["serve --runs runs", "and what lies in runs, to look at in a browser"],
    ["serve --port 9000 --model ./my-model --adapter ./my-adapter", "another model"],
    ["serve --host 0.0.0.0 --token-file tokens.txt --allow-host models.example.org", "for others, who have tokens"],
  ],
  check: ({ options: own }) => [
    ...(own.tokenFile !== undefined && own.tokenEnv !== undefined ? ["give one of --token-file and --token-env"] : []),
    ...(!isLoopback(own.host) && own.tokenFile === undefined && own.tokenEnv === undefined
      ? [`--host: others can reach ${own.host}: they need tokens (--token-file, --token-env)`]
      : []),
  ],
  run: async ({ options: own }, context) => {
    const { out, log, signal } = context;
    // What is quickly told goes first.
    const tokens = createTokens(await tokensOf(own));
    if (own.runs !== undefined) await findRuns(own.runs);
    const page = await loadPage();
    if (page === undefined) log.warn("there is no page for browsers: npm run build makes it");
    await useModel(own, context, async (model) => {
      const adapter = await adapterOf(model, own.adapter);
      if (adapter === undefined) log.warn(`there is no adapter for ${model.files.name}: contexts need another method`);
      const encoder = threadedEncoder(own.model, model.files.tokenizer);
      const folder = own.store ?? join(cacheHome(), "contexts");
      const service = await createService({
        model,
        adapter,
        encoder,
        folder,
        runs: own.runs,
        limits: limitsOf(own),
        log,
      });
      await warmUp(service);
      collectProcessMetrics(service.metrics);
      const access = { tokens, hosts: allowedHosts(own.host, own.allowHost), origins: new Set(own.cors), page };
      const listening = await listen(createApp({ service, access }), own);
      const { url } = listening;
      const { name } = service.model.files;
      if (own.json) out.json({ url, model: name, store: folder, contexts: service.store.count });
      else out.line(`${name} on ${url}`);
      log.info(
        `contexts: ${service.store.count} in ${folder}; ${tokens.count === 0 ? "no token needed" : "token needed"}`,
      );
      await aborted(signal);
      log.info("stopping");
      service.jobs.stop();
      service.uploads.stop();
      await listening.close();
      await encoder.close();
      adapter?.release();
    });
  },
});

async function tokensOf({
  tokenFile,
  tokenEnv,
}: Pick<OptionValues<typeof options>, "tokenFile" | "tokenEnv">): Promise<readonly string[]> {
  if (tokenFile !== undefined) return parseTokens(await readTextFile(tokenFile, MAX_TOKEN_BYTES), tokenFile);
  if (tokenEnv === undefined) return [];
  const value = process.env[tokenEnv];
  if (value === undefined) throw new KvDistillError("bad-argument", "the variable is not set", { where: tokenEnv });
  return parseTokens(value, tokenEnv);
}

async function adapterOf(model: LanguageModel, folder: string | undefined): Promise<LoadedAdapter | undefined> {
  const path = folder ?? (await findShippedAdapter(model.files.hash));
  return path === undefined ? undefined : attachAdapter(model, await loadAdapter(path, { expectModel: model.files }));
}
