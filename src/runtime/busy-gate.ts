/**
 * Keeps the process from ending a worker in the middle of native code: ONNX Runtime's binding aborts the whole process
 * when its thread is terminated during a call. Both sides share two flags; the main thread closes the gate first and
 * looks at `busy` second, the worker does it the other way round, so at least one of them sees the other.
 */
const CLOSED = 0;
const BUSY = 1;

export type GateFlags = Int32Array<SharedArrayBuffer>;

export function createGate(): GateFlags {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Worker: false when the gate is closed and no further work may start. Otherwise `leave` must follow. */
export function enter(gate: GateFlags): boolean {
  Atomics.store(gate, BUSY, 1);
  if (Atomics.load(gate, CLOSED) === 0) return true;
  leave(gate);
  return false;
}

/** Worker: the work is done. */
export function leave(gate: GateFlags): void {
  Atomics.store(gate, BUSY, 0);
  Atomics.notify(gate, BUSY);
}

/** Main thread: no further work starts; the work in progress goes on. */
export function closeGate(gate: GateFlags): void {
  Atomics.store(gate, CLOSED, 1);
}

/** Main thread: blocks it until the work in progress is done. Only for a process that is ending. */
export function waitUntilIdle(gate: GateFlags): void {
  Atomics.wait(gate, BUSY, 1);
}
