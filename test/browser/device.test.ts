import { describe, expect, test } from "vitest";
import { chooseDevice } from "../../src/browser/device.ts";

const withAdapter = { hardwareConcurrency: 8, gpu: { requestAdapter: () => Promise.resolve({}) } };
const withoutAdapter = { hardwareConcurrency: 8, gpu: { requestAdapter: () => Promise.resolve(null) } };
const old = { hardwareConcurrency: 8 };
const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;

describe("the device", () => {
  test("is WebGPU where there is an adapter", async () => {
    expect(await chooseDevice({}, { navigator: withAdapter })).toEqual({
      device: "webgpu",
      threads: 1,
      reason: "navigator.gpu gives an adapter",
    });
  });

  test.each([
    ["no adapter", withoutAdapter],
    ["no navigator.gpu", old],
  ])("is WebAssembly with threads where there is %s and the page is isolated; the reason says so", async (why, own) => {
    const choice = await chooseDevice({}, { navigator: own, crossOriginIsolated: true });
    expect(choice).toMatchObject({ device: "wasm", threads: 8 });
    expect(choice.reason).toContain(why);
  });

  test("has one thread in a page that is not isolated, and the reason says why", async () => {
    const choice = await chooseDevice({ device: "wasm" }, { navigator: withAdapter, crossOriginIsolated: false });
    expect(choice).toMatchObject({ device: "wasm", threads: 1 });
    expect(choice.reason).toContain("Cross-Origin-Opener-Policy");
  });

  test("that was asked for is never replaced", async () => {
    await expect(chooseDevice({ device: "webgpu" }, { navigator: withoutAdapter })).rejects.toThrow(
      code("device-unavailable"),
    );
    await expect(chooseDevice({ device: "webgpu" }, { navigator: old })).rejects.toThrow(code("device-unavailable"));
    await expect(chooseDevice({ device: "wasm", threads: 2 }, { navigator: old })).rejects.toThrow(
      code("device-unavailable"),
    );
    expect(
      await chooseDevice({ device: "wasm", threads: 3 }, { navigator: withAdapter, crossOriginIsolated: true }),
    ).toEqual({ device: "wasm", threads: 3, reason: "asked for" });
  });

  test("has options that are checked, all at once", async () => {
    const wrong = { device: "cpu", threads: 0.5 } as unknown as Parameters<typeof chooseDevice>[0];
    await expect(chooseDevice(wrong, {})).rejects.toMatchObject({
      code: "bad-argument",
      facts: { faults: [expect.stringContaining("device"), expect.stringContaining("threads")] },
    });
  });
});
