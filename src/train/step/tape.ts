import { type Feeds, type Resident } from "../../runtime/runtime.ts";
import { pickFeeds, residentOf } from "../../runtime/feeding.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { SplitProgram } from "./programs.ts";

/** One forward call whose backward call is still to come. */
interface Entry {
  readonly program: SplitProgram;
  readonly feeds: Feeds;
  /** Values that only the backward call needs; freed after it. */
  readonly saved: Readonly<Record<string, Resident>>;
}

/** Calls of split programs in order, to be walked backwards. */
export class Tape {
  private readonly entries: Entry[] = [];

  /**
   * Runs a forward program and remembers what its backward program takes. The feeds must stay alive until then.
   * @returns the outputs named in `outputs`, which stay in the worker
   */
  async forward(
    program: SplitProgram,
    feeds: Feeds,
    outputs: readonly string[],
  ): Promise<Readonly<Record<string, Resident>>> {
    const { residents } = await program.forward.runKeeping(pickFeeds(program.forward, feeds), [
      ...outputs,
      ...program.saved,
    ]);
    this.entries.push({
      program,
      feeds,
      saved: Object.fromEntries(program.saved.map((name) => [name, residentOf(residents, name)])),
    });
    return residents;
  }

  /**
   * Runs the backward program of the newest call left.
   * @param seeds `d.<output>` for every seeded output
   * @param keep gradients that stay in the worker; the others come back
   */
  async backward(
    seeds: Feeds,
    keep: readonly string[],
  ): Promise<{
    readonly outputs: Readonly<Record<string, Tensor>>;
    readonly residents: Readonly<Record<string, Resident>>;
  }> {
    const entry = this.entries.pop();
    if (entry === undefined) throw new RangeError("the tape is empty");
    const { backward } = entry.program;
    const kept = keep.filter((name) => backward.outputs.includes(name));
    const result = await backward.runKeeping(pickFeeds(backward, entry.feeds, entry.saved, seeds), kept);
    for (const resident of Object.values(entry.saved)) resident.release();
    return result;
  }

  /** Frees what is left after a failure. */
  release(): void {
    for (const { saved } of this.entries.splice(0)) for (const resident of Object.values(saved)) resident.release();
  }
}
