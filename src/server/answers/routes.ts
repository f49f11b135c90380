import type { z } from "zod";
import type { Tenant } from "../access/tokens.ts";
import { readJson } from "../http/body.ts";
import { Refusal } from "../http/refusal.ts";
import type { RouteContext, Router } from "../http/router.ts";
import type { Service } from "../service.ts";
import { streamAnswer } from "./answer.ts";
import { chatRequest } from "./chat-request.ts";
import { prepareChat, prepareText } from "./prepare.ts";
import { type Prompt, roomFor } from "./prompt.ts";
import { chatReply, type ReplyShape, textReply, usageOf } from "./reply.ts";
import { respond } from "./respond.ts";
import { answerSettings, type SettingsRequest } from "./settings.ts";
import { textRequest } from "./text-request.ts";

/** Answers as the OpenAI API gives them, from stored contexts too. */
export function addAnswerRoutes(router: Router, service: Service): void {
  const { model, reader, jobs, limits } = service;

  async function answer<T extends SettingsRequest>(
    c: RouteContext,
    schema: z.ZodType<T>,
    prepare: (service: Service, tenant: Tenant, request: T) => Promise<Prompt>,
    shape: ReplyShape,
  ): Promise<Response> {
    const { tenant } = c.env;
    const request = await readJson(c.req.raw, schema, limits.bodyBytes);
    checkModel(request.model);
    jobs.queue.check(tenant);
    const prompt = await prepare(service, tenant, request);
    const settings = answerSettings(request, limits.answerTokens, roomFor(model.config, prompt));
    const job = await jobs.begin(tenant, c.req.raw.signal);
    return respond(service, streamAnswer(reader, prompt, settings, job.signal), {
      job,
      shape,
      usage: ({ tokens }) => usageOf(prompt.usage, tokens),
      stream: request.stream === true,
      includeUsage: request.stream_options?.include_usage === true,
    });
  }

  function checkModel(name: string): void {
    if (name === model.files.name) return;
    throw new Refusal("not-found", `this server has the model ${model.files.name} and no other`, { param: "model" });
  }

  router.post("/v1/chat/completions", (c) => answer(c, chatRequest, prepareChat, chatReply(model.files)));
  router.post("/v1/completions", (c) => answer(c, textRequest, prepareText, textReply(model.files)));
}
