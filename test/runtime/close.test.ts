import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { createGate } from "../../src/runtime/busy-gate.ts";
import { openChannel } from "../../src/runtime/channel.ts";
import { nodePort } from "../../src/runtime/node-port.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { floats, zeros } from "../../src/tensor/tensor.ts";
import { errorOf } from "./expect-error.ts";
import { products, sumAndProduct } from "./models.ts";

const size = 512;
const x = zeros("float32", [size, size]);

describe("close", () => {
  test("pending calls fail with cancelled at once, and the thread ends after the run in progress", async () => {
    const runtime = await createRuntime({ threads: 1 });
    const program = await runtime.load({ bytes: products(size, 10) });
    const pending = [program.run({ x }), program.run({ x }), runtime.upload(x)];
    const failed = pending.map((call) => errorOf(call, "cancelled"));
    const closed = runtime.close();
    await Promise.all(failed);
    await closed;
    await runtime.close();
  });

  test("later calls are refused; freeing is not", async () => {
    const runtime = await createRuntime({ threads: 1 });
    const program = await runtime.load({ bytes: sumAndProduct });
    const a = floats([1, 3], [1, 2, 3]);
    const resident = await runtime.upload(a);
    await runtime.close();
    expect((await errorOf(program.run({ a, b: a }), "bad-argument")).message).toContain("the runtime is closed");
    await errorOf(runtime.load({ bytes: sumAndProduct }), "bad-argument");
    await errorOf(runtime.download(resident), "bad-argument");
    resident.release();
    await program.close();
  });
});

/** A channel to a worker that runs this script instead of the engine. */
function channelTo(script: string) {
  const gate = createGate();
  const worker = new Worker(`const { parentPort } = require("node:worker_threads"); ${script}`, { eval: true });
  return openChannel(nodePort(worker, gate));
}

describe("a worker that crashes", () => {
  const facts = { where: "test" };

  test.each([
    ["ends", "parentPort.on('message', () => process.exit(3));", "exit code 3"],
    ["throws", "parentPort.on('message', () => { throw new Error('broken'); });", "broken"],
  ])("fails every pending and later call when it %s", async (_, script, got) => {
    const channel = channelTo(script);
    const pending = [1, 2, 3].map((residentId) => channel.call("download", { residentId, rows: undefined }, facts));
    for (const call of pending) expect((await errorOf(call, "engine")).facts.got).toBe(got);
    expect((await errorOf(channel.call("devices", undefined, facts), "engine")).facts.got).toBe(got);
    await channel.free("release", { residentId: 1 });
    await channel.close();
  });
});

/** Runs a script that has `runtime`, `slow` (a program) and `x` in a process of its own. */
async function inProcess(script: string): Promise<{ stdout: string; stderr: string }> {
  const sources = new URL("../../src/", import.meta.url).href;
  const code = `
    import { createRuntime } from "${sources}runtime/runtime.ts";
    import { zeros } from "${sources}tensor/tensor.ts";
    import { products } from "${new URL("./models.ts", import.meta.url).href}";
    const runtime = await createRuntime({ threads: 1 });
    const slow = await runtime.load({ bytes: products(${size}, 20) });
    const x = zeros("float32", [${size}, ${size}]);
    ${script}`;
  const loader = import.meta.resolve("tsx");
  return promisify(execFile)(process.execPath, ["--import", loader, "--input-type=module", "--eval", code]);
}

describe("a process", () => {
  test("ends by itself when its runtime is idle, closed or not", async () => {
    expect(await inProcess(`await slow.run({ x }); console.log("done");`)).toEqual({ stdout: "done\n", stderr: "" });
  });

  test("stays alive for pending calls", async () => {
    const script = `void slow.run({ x }).then(() => { console.log("done"); });`;
    expect(await inProcess(script)).toEqual({ stdout: "done\n", stderr: "" });
  });

  test("stays alive until it is closed, though what was freed just before is answered meanwhile", async () => {
    const script = `
      const residents = await Promise.all(Array.from({ length: 50 }, () => runtime.upload(x)));
      for (const resident of residents) resident.release();
      await runtime.close();
      console.log("closed");`;
    expect(await inProcess(script)).toEqual({ stdout: "closed\n", stderr: "" });
  });

  test("may exit in the middle of a run", async () => {
    const script = `void slow.run({ x }); void slow.run({ x }); setTimeout(() => process.exit(), 50);`;
    expect(await inProcess(script)).toEqual({ stdout: "", stderr: "" });
  });
});
