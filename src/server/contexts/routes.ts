import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { readJson } from "../http/body.ts";
import { progressStream, wantsEvents } from "../http/event-stream.ts";
import type { Router } from "../http/router.ts";
import type { Service } from "../service.ts";
import { contextFacts } from "./context-facts.ts";
import { contextRequest } from "./context-request.ts";
import { markedContext } from "./marked-context.ts";
import { makeContext, planContext } from "./make-context.ts";
import { uploadContext } from "./upload-context.ts";

/** Contexts: made of texts, listed, told about, downloaded, uploaded, deleted. */
export function addContextRoutes(router: Router, service: Service): void {
  const { store, jobs, uploads, limits } = service;

  router.post("/v1/contexts", async (c) => {
    const { tenant } = c.env;
    const request = c.req.raw;
    const asked = await readJson(request, contextRequest, limits.bodyBytes);
    jobs.queue.check(tenant);
    const planned = await planContext(service, asked);
    if (!wantsEvents(request)) {
      const made = await jobs.run(tenant, request.signal, (job) =>
        makeContext(service, tenant, planned, job, () => undefined),
      );
      return c.json(made, 201);
    }
    const job = await jobs.begin(tenant, request.signal);
    return progressStream(job, service.report, (tell) => makeContext(service, tenant, planned, job, tell));
  });

  router.get("/v1/contexts", (c) =>
    c.json({ object: "list", data: store.list(c.env.tenant).map((context) => contextFacts(context)) }),
  );

  router.post("/v1/contexts/upload", async (c) => {
    const stored = await uploads.run(c.env.tenant, c.req.raw.signal, ({ signal }) =>
      uploadContext(service, c.env.tenant, c.req.raw, signal),
    );
    return c.json(contextFacts(stored), 201);
  });

  router.get("/v1/contexts/:id", (c) => c.json(contextFacts(store.get(c.env.tenant, c.req.param("id")))));

  router.delete("/v1/contexts/:id", async (c) => {
    const id = c.req.param("id");
    await store.remove(c.env.tenant, id);
    return c.json({ id, object: "context", deleted: true });
  });

  router.get("/v1/contexts/:id/text", async (c) => {
    const { tenant } = c.env;
    const marked = await uploads.run(tenant, c.req.raw.signal, () =>
      store.use(tenant, c.req.param("id"), (context) => markedContext(service.model, context)),
    );
    return c.json(marked);
  });

  router.get("/v1/contexts/:id/kvd", (c) =>
    store.use(c.env.tenant, c.req.param("id"), async ({ id, path, bytes }) => {
      // Opened while it is held: deleted afterwards, the file stays readable.
      const file = createReadStream(path);
      await new Promise((resolve, reject) => file.once("open", resolve).once("error", reject));
      return new Response(Readable.toWeb(file) as ReadableStream, {
        headers: {
          "Content-Type": "application/octet-stream",
          "Content-Length": String(bytes),
          "Content-Disposition": `attachment; filename="${id}.kvd"`,
        },
      });
    }),
  );
}
