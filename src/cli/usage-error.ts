import { KvDistillError } from "../util/errors.ts";

/** A command line that cannot be run as it is written. It ends with exit code 2; other errors end with 1. */
export class UsageError extends KvDistillError {
  /**
   * @param command as typed: "kv-distill logits"
   * @param faults everything that is wrong, at once
   */
  constructor(command: string, faults: readonly string[]) {
    super("bad-argument", "the command line is wrong", { where: command, faults, hint: `${command} --help` });
  }
}
