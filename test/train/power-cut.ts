import type { FileHandle } from "node:fs/promises";
import type * as FilePromises from "node:fs/promises";

/** Thrown by every file operation from the moment of the power cut on. */
export class PowerCut extends Error {}

/** Counts operations that change files; at the chosen one the power goes: that one happens in part, later ones not at all. */
export class Power {
  private done = 0;
  private cutAt = Infinity;

  /** Power from now on until the `cutAt`-th change. */
  restore(cutAt = Infinity): void {
    this.done = 0;
    this.cutAt = cutAt;
  }

  get changes(): number {
    return this.done;
  }

  /** @param inPart what the last operation still does */
  async spend<T>(work: () => Promise<T>, inPart: () => Promise<unknown> = () => Promise.resolve()): Promise<T> {
    this.done++;
    if (this.done < this.cutAt) return work();
    if (this.done === this.cutAt) await inPart();
    throw new PowerCut("the power is off");
  }
}

export const power = new Power();

/** `node:fs/promises` on that power. */
export function onPower(real: typeof FilePromises): typeof FilePromises {
  const open = async (...[path, flags, mode]: Parameters<typeof real.open>): Promise<FileHandle> =>
    flags === undefined || flags === "r"
      ? real.open(path, flags, mode)
      : handleOnPower(await power.spend(() => real.open(path, flags, mode)));
  return {
    ...real,
    open,
    mkdir: ((...args: Parameters<typeof real.mkdir>) => power.spend(() => real.mkdir(...args))) as typeof real.mkdir,
    rename: (...args) => power.spend(() => real.rename(...args)),
    rm: (...args) => power.spend(() => real.rm(...args)),
    writeFile: (...args) => power.spend(() => real.writeFile(...args)),
    appendFile: (...args) => power.spend(() => real.appendFile(...args)),
  };
}

function handleOnPower(handle: FileHandle): FileHandle {
  const write = handle.write.bind(handle) as (bytes: Uint8Array, offset: number, length: number) => Promise<unknown>;
  const append = handle.appendFile.bind(handle);
  return Object.assign(handle, {
    write: (bytes: Uint8Array, offset: number, length: number) =>
      power.spend(
        () => write(bytes, offset, length),
        () => write(bytes, offset, length >> 1),
      ),
    appendFile: (text: string) =>
      power.spend(
        () => append(text),
        () => append(text.slice(0, text.length >> 1)),
      ),
    // The disk itself stays up: flushing it would only take time.
    sync: () => power.spend(() => Promise.resolve()),
  });
}
