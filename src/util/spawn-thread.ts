import { type ResourceLimits, Worker } from "node:worker_threads";

/**
 * Starts a thread on a module of this package: its `.js` or, where the package runs from its sources, its `.ts` through tsx. Node 20 cannot load
 * TypeScript in a worker by itself, and tsx does not follow into workers unless it is registered there again.
 * @param base `import.meta.url` of the module that starts it
 * @param name of the thread's module beside that, without an extension
 * @param resourceLimits of the thread's memory; what needs more ends the thread, not the process
 */
export function spawnThread(
  base: string,
  name: string,
  workerData: object,
  resourceLimits: ResourceLimits = {},
): Worker {
  if (!base.endsWith(".ts")) return new Worker(new URL(`./${name}.js`, base), { workerData, resourceLimits });
  const tsx = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const entry = JSON.stringify(new URL(`./${name}.ts`, base).href);
  const code = `import(${tsx}).then(({ register }) => { register(); return import(${entry}); });`;
  return new Worker(code, { eval: true, workerData, resourceLimits });
}
