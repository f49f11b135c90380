import { SAVED_METHOD_NAMES } from "../../compress/methods/index.ts";
import { contextLimit } from "../../models/config.ts";
import { VERSION } from "../../util/version.ts";
import { Refusal } from "../http/refusal.ts";
import type { Router } from "../http/router.ts";
import type { Service } from "../service.ts";

/** The model, the server's health, its metrics. */
export function addSystemRoutes(router: Router, { model, adapter, jobs, metrics, startedAt }: Service): void {
  const own = {
    id: model.files.name,
    object: "model",
    created: startedAt,
    owned_by: "kv-distill",
    context_length: contextLimit(model.config),
    sha256: model.files.hash,
    adapter: adapter !== undefined,
    methods: SAVED_METHOD_NAMES.filter((name) => name !== "kv-distill" || adapter !== undefined),
  };

  router.get("/health", (c) =>
    c.json({
      status: "ok",
      version: VERSION,
      model: model.files.name,
      active: jobs.queue.active,
      waiting: jobs.queue.waiting,
    }),
  );

  router.get("/metrics", async () => {
    const text = await metrics.registry.metrics();
    return new Response(text, { headers: { "Content-Type": metrics.registry.contentType } });
  });

  router.get("/v1/models", (c) => c.json({ object: "list", data: [own] }));

  router.get("/v1/models/:id", (c) => {
    if (c.req.param("id") !== own.id) throw new Refusal("not-found", "there is no such model", { param: "model" });
    return c.json(own);
  });
}
