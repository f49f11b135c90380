import { systemCodeOf } from "./disk-error.ts";
import { nodeBuiltin } from "./node-builtin.ts";

/** Work was stopped because it took longer than it may. */
export class TimeIsUp extends Error {}

interface Room {
  work?: () => unknown;
}

let room: { readonly context: Room; readonly run: (timeout: number) => unknown } | undefined;

/**
 * What `work` returns, stopped after `timeout` milliseconds wherever it is, inside a regular expression too. Outside Node nothing stops it: what
 * can look at the clock itself should.
 * @throws TimeIsUp
 */
export function withinTime<T>(work: () => T, timeout: number): T {
  const vm = nodeBuiltin("node:vm");
  if (vm === undefined) return work();
  // Node stops code started by its `vm` module, also where that code calls back out of it. A context takes milliseconds to make, and long to be
  // collected: one does for all.
  if (room === undefined) {
    const context: Room = vm.createContext({});
    const script = new vm.Script("work()");
    room = { context, run: (limit): unknown => script.runInContext(context, { timeout: limit }) };
  }
  const { context, run } = room;
  context.work = work;
  try {
    return run(timeout) as T;
  } catch (error) {
    // Not `instanceof Error`: it is raised in the other context.
    throw systemCodeOf(error) === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? new TimeIsUp(`more than ${timeout} ms`) : error;
  } finally {
    delete context.work;
  }
}
