import { beforeAll, describe, expect, test } from "vitest";
import { ADAPTER_TIMEOUT, missingAdapter, needsAdapter, runOnAdapter } from "./software-adapter.ts";

interface Printed {
  readonly differences: Readonly<Record<string, number>>;
  readonly tooLarge: readonly string[];
  readonly afterwards: number;
}
let printed: Printed;
beforeAll(async () => {
  if (missingAdapter !== undefined) return;
  printed = (await runOnAdapter("webgpu-child.ts", import.meta.url)).printed as Printed;
}, ADAPTER_TIMEOUT);

describe("on a software adapter", () => {
  test("operators of inference give on WebGPU what they give on the CPU", (context) => {
    needsAdapter(context);
    expect(Object.keys(printed.differences)).toEqual(["MatMul", "Softmax", "Gather", "RotaryEmbedding"]);
    for (const [operator, difference] of Object.entries(printed.differences)) {
      expect(difference, operator).toBeLessThan(1e-5);
    }
  });

  test("memory that the device cannot have is out-of-memory, and the runtime goes on", (context) => {
    needsAdapter(context);
    expect(printed.tooLarge).toEqual(["out-of-memory", "out-of-memory", "out-of-memory"]);
    expect(printed.afterwards).toBe(5);
  });
});

test.runIf(process.platform === "linux")(
  "without an adapter the device is unavailable",
  async () => {
    const { printed } = await runOnAdapter("webgpu-missing-child.ts", import.meta.url, { icd: "/nonexistent.json" });
    expect(printed).toMatchObject({
      code: "device-unavailable",
      got: expect.stringMatching(/^Failed to get a WebGPU adapter/) as unknown,
      hint: expect.stringMatching(/graphics driver.*cpu always works$/) as unknown,
    });
  },
  ADAPTER_TIMEOUT,
);
