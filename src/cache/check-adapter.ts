import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import type { Adapter, AdapterConfig } from "./adapter.ts";
import { adapterArrays, loraPairs } from "./adapter-tensors.ts";

/** Far above any model; keeps the lists made from a hostile file's counts short. */
const MAX_PAIRS = 10_000;
const MAX_SCORES = 100_000;

/**
 * Every invariant of an adapter: possible settings, exactly the matrices that its targets ask for, finite numbers.
 * @throws KvDistillError `shape-mismatch` listing all faults, or `not-finite`.
 */
export function checkAdapter(adapter: Adapter, where: string): void {
  const configs = configFaults(adapter.config);
  const faults = configs.length > 0 ? configs : arrayFaults(adapter);
  if (faults.length > 0) {
    throw new KvDistillError("shape-mismatch", "the adapter breaks its rules", { where, faults: faultList(faults) });
  }
  for (const { name, values } of adapterArrays(adapter)) {
    const at = values?.findIndex((value) => !Number.isFinite(value)) ?? -1;
    if (at >= 0) {
      throw new KvDistillError("not-finite", `${name} holds a number that is not finite`, {
        where,
        got: `${String(values?.[at])} at element ${at}`,
      });
    }
  }
}

/** What is impossible in an adapter's settings. */
export function configFaults({ rank, alpha, eta, sinks, scorerWidth, baseModel, targets }: AdapterConfig): string[] {
  const faults: string[] = [];
  const { layersPath, numLayers, hiddenSize, numKvHeads, modules } = targets;
  const count = (name: string, value: number, least = 1): void => {
    if (!Number.isInteger(value) || value < least || value > 2 ** 20) faults.push(`${name} is ${value}`);
  };
  count("rank", rank);
  count("numLayers", numLayers);
  count("hiddenSize", hiddenSize);
  count("numKvHeads", numKvHeads);
  count("sinks", sinks, 0);
  count("scorerWidth", scorerWidth);
  count("eta", eta);
  if (eta > numLayers) faults.push(`eta is ${eta}, more than the ${numLayers} layers`);
  if (!Number.isFinite(alpha) || alpha <= 0) faults.push(`alpha is ${alpha}`);
  if (!/^[0-9a-f]{64}$/.test(baseModel.hash)) faults.push("the base model's hash is not a sha256");
  if (baseModel.name === "") faults.push("the base model has no name");
  if (!isPath(layersPath)) faults.push(`layersPath is "${layersPath}"`);
  if (numLayers * numKvHeads > MAX_SCORES) faults.push(`${numLayers * numKvHeads} scores a token`);
  if (numLayers * modules.length > MAX_PAIRS) faults.push(`${numLayers * modules.length} modules are adapted`);
  if (modules.length === 0) faults.push("no modules are adapted");
  if (new Set(modules.map(({ path }) => path)).size < modules.length) faults.push("a module is adapted twice");
  for (const { path, inputs, outputs } of modules) {
    if (!isPath(path)) faults.push(`a module's path is "${path}"`);
    count(`${path} inputs`, inputs);
    count(`${path} outputs`, outputs);
  }
  return faults;
}

function arrayFaults(adapter: Adapter): string[] {
  const faults: string[] = [];
  for (const { name, shape, values } of adapterArrays(adapter)) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    if (values === undefined) faults.push(`${name} is missing`);
    else if (values.length !== size) faults.push(`${name} has ${values.length} elements, not [${shape.join(", ")}]`);
  }
  const known = new Set(loraPairs(adapter.config).map(({ key }) => key));
  for (const key of adapter.lora.keys()) if (!known.has(key)) faults.push(`unknown module "${key}"`);
  return faults;
}

/** Names joined by dots. */
function isPath(path: string): boolean {
  return /^\w+(\.\w+)*$/.test(path);
}
