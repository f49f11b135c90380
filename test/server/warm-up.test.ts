import { describe, expect, test, vi } from "vitest";
import { warmUp } from "../../src/server/warm-up.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { TEXT, useTinyServers } from "./tiny-server.ts";

// The fused kernel reads long texts of the latter, whose heads have 8 numbers.
describe.each(["llama", "qwen3"])("%s", (name) => {
  const { model } = useTinyModel(name);
  const server = useTinyServers(model);

  test("after it no graph is made for what clients ask most: answers, contexts, answers from ragged contexts", async () => {
    const own = await server({ adapter: true });
    // Its own graphs are not made before.
    const ragged = (await own.json("POST /v1/contexts", { text: TEXT, keep: "50%", method: "kvzip" }, 201)).id;
    await warmUp(own.service);
    const load = vi.spyOn(model().runtime, "load");
    const messages = [{ role: "user", content: "who sat?" }];
    const ask = (context?: string): Promise<unknown> =>
      own.json("POST /v1/chat/completions", { model: name, messages, max_tokens: 5, context });
    // Short and long: 64 tokens and more are read by other graphs.
    await own.json("POST /v1/contexts", { text: TEXT.slice(0, 60), keep: "50%" }, 201);
    const long = await own.json("POST /v1/contexts", { text: `${TEXT} ${TEXT}`.slice(0, 190), keep: "25%" }, 201);
    expect(long.tokens).toBeGreaterThan(64);
    const made = (await own.json("POST /v1/contexts", { text: TEXT, keep: "25%" }, 201)).id;
    await ask();
    await Promise.all([ask(), ask(made), ask(ragged)]);
    await ask(ragged);
    expect(load).not.toHaveBeenCalled();
    load.mockRestore();
  });
});
