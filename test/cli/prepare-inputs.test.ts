import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CommandContext } from "../../src/cli/context.ts";
import { locateInputs, parseInputs } from "../../src/cli/prepare/inputs.ts";
import { type HubStandIn, startHub } from "../models/hub-stand-in.ts";
import { useTempHome } from "../models/temp-home.ts";

const { home, work } = useTempHome();
let hub: HubStandIn;

beforeEach(async () => {
  hub = await startHub();
  process.env.HF_ENDPOINT = hub.url;
  const parquet = await readFile(new URL("../golden/data-sources/p3-snappy.parquet", import.meta.url));
  hub.repos.set("acme/p3", { files: new Map([["train.parquet", parquet]]) });
});

afterEach(async () => {
  await hub.close();
  delete process.env.HF_ENDPOINT;
});

test("inputs are found on the disk or fetched from the hub, under the reader that was asked for", async () => {
  const warnings: string[] = [];
  const log = { level: "info", warn: (line: string) => warnings.push(line) };
  const context = { log, signal: new AbortController().signal } as unknown as CommandContext;
  const { inputs, faults } = parseInputs([`squad=${work()}`, "p3=acme/p3"]);
  expect(faults).toEqual([]);
  const located = await locateInputs(inputs, context);
  expect(located.map(({ source, path }) => [source.name, path])).toEqual([
    ["squad", work()],
    ["p3", join(home(), "datasets", "acme--p3")],
  ]);
  expect(warnings).toEqual([]);
  await expect(locateInputs(parseInputs(["p3=acme/none"]).inputs, context)).rejects.toMatchObject({
    code: "not-found",
  });
});
