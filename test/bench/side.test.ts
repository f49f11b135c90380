import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { OpenRequest } from "../../src/bench/sides/protocol.ts";
import { type Side, type SideOptions, startSide } from "../../src/bench/sides/side.ts";
import { KvDistillError } from "../../src/util/errors.ts";
import { expectRejection } from "./expect-error.ts";

const FAKE = fileURLToPath(new URL("./fake-peer.mjs", import.meta.url));

const OPEN: OpenRequest = {
  work: "open",
  model: { name: "m", hash: "h", folder: "/nowhere", gguf: null },
  threads: 1,
  device: "cpu",
  precision: "fp32",
  variant: "",
  reference: null,
  adapter: "/nowhere",
  scratch: "/nowhere",
  profile: null,
};
const READ = { work: "prefill", ids: [1, 2, 3] } as const;

const start = (mood: string, options: Partial<SideOptions> = {}): Promise<Side> =>
  startSide({ name: "fake", command: [process.execPath, FAKE, mood] }, OPEN, { timeout: 60, ...options });

test.each(["well", "in pieces"])("a peer that is %s answers request after request", async (mood) => {
  const side = await start(mood);
  expect(side.versions).toEqual({ fake: "1" });
  for (const id of [1, 2]) {
    expect(await side.ask(READ)).toEqual({ id, seconds: 0.5, tokens: 3, peakBytes: 1000, check: { next: 7 } });
  }
  await side.close();
});

test.each([
  ["crash", /it ended with exit code 3\n {2}- out of ideas/],
  ["bad json", /its answer is not JSON; got "seven\\\\u001b/],
  ["not a result", /its answer is not a result; expected one of request 1/],
  ["other id", /its answer is not a result/],
  ["refuses", /prefill failed; got this peer does not read/],
  ["endless line", /its answer is not JSON/],
])("%s is told", async (mood, message) => {
  const side = await start(mood);
  await expectRejection(side.ask(READ), "peer", message);
  await side.close();
});

test.each([
  ["no hello", /it did not say hello/],
  ["old", /another version of the protocol; expected 1; got 0/],
])("%s is refused at the start", async (mood, message) => {
  await expectRejection(start(mood), "peer", message);
});

test("silence has an end, and so has the process", async () => {
  const side = await start("silent", { timeout: 0.2 });
  await expectRejection(side.ask(READ), "peer", /no answer in 0.2 s/);
  await side.close();
});

test("a program that is not there is told", async () => {
  const work = startSide({ name: "gone", command: ["/nowhere/program"] }, OPEN, { timeout: 30 });
  await expectRejection(work, "peer", /gone: it cannot be started: .*ENOENT/);
});

test("a signal ends the process and is what is thrown", async () => {
  const controller = new AbortController();
  const side = await start("silent", { signal: controller.signal });
  const asked = side.ask(READ);
  controller.abort(new KvDistillError("cancelled", "stopped"));
  await expectRejection(asked, "cancelled", /stopped/);
  await side.close();
});
