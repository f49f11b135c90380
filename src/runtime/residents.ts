import type { DType } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { TensorType } from "./messages.ts";

/** A tensor that stays in the worker's memory between runs, whatever the device. Forgotten ones are freed in time. */
export interface Resident {
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Frees it; may be called again. Calls made before still find it. */
  release(): void;
}

/** The handles that one runtime has given out, and the ids under which its worker knows them. */
export interface Residents {
  newId(): number;
  handle(residentId: number, type: TensorType): Resident;
  /** @throws KvDistillError `bad-argument` for a released handle or another runtime's. */
  idOf(resident: Resident, where: string): number;
}

/** @param free tells the worker that an id is no longer needed; also called for handles that were forgotten */
export function createResidents(free: (residentId: number) => void): Residents {
  const ids = new WeakMap<Resident, number>();
  const forgotten = new FinalizationRegistry(free);
  let next = 0;

  function handle(residentId: number, { dtype, dims }: TensorType): Resident {
    const resident: Resident = {
      dtype,
      dims: [...dims],
      release: () => {
        if (!ids.delete(resident)) return;
        forgotten.unregister(resident);
        free(residentId);
      },
    };
    ids.set(resident, residentId);
    forgotten.register(resident, residentId, resident);
    return resident;
  }

  function idOf(resident: Resident, where: string): number {
    const id = ids.get(resident);
    if (id === undefined) {
      throw new KvDistillError("bad-argument", "not a resident tensor of this runtime, or one that was released", {
        where,
      });
    }
    return id;
  }

  return { newId: () => next++, handle, idOf };
}
