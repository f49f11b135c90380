import { Command, type ErrorOptions, type ParseOptionsResult } from "commander";
import { quote } from "../util/quote.ts";
import { suggest } from "./suggest.ts";
import { UsageError } from "./usage-error.ts";

/**
 * A commander command that does not stop at the first fault. A command with an action (a leaf) notes them all in `faults`
 * for the action to throw; others throw at once.
 */
export class StrictCommand extends Command {
  readonly faults: string[] = [];
  private isLeaf = false;
  private unknownFlags = false;

  override createCommand(name?: string): StrictCommand {
    return new StrictCommand(name);
  }

  /** Makes this a leaf, which runs `work` or throws all its faults. */
  leaf(work: (args: readonly unknown[]) => Promise<void>): this {
    this.isLeaf = true;
    return this.action(() => work(this.processedArgs));
  }

  /** The command as a person types it. */
  get fullName(): string {
    return this.parent instanceof StrictCommand ? `${this.parent.fullName} ${this.name()}` : this.name();
  }

  /** Takes unknown flags out of what commander sees, so that it goes on to the other faults. */
  override parseOptions(argv: string[]): ParseOptionsResult {
    const parsed = super.parseOptions(argv);
    if (!this.isLeaf) return parsed;
    const [first] = parsed.operands;
    // What follows the name of a command below this one is that command's.
    if (this.commands.some((command) => command.name() === first)) return parsed;
    const end = parsed.unknown.indexOf("--");
    const flags = (end < 0 ? parsed.unknown : parsed.unknown.slice(0, end)).filter(looksLikeFlag);
    if (flags.some((flag) => HELP.includes(flag))) return { operands: parsed.operands, unknown: ["--help"] };
    for (const flag of flags) this.faults.push(this.unknownFlagFault(flag));
    this.unknownFlags = flags.length > 0;
    const rest = parsed.unknown.filter((text, at) => at !== end && !((end < 0 || at < end) && looksLikeFlag(text)));
    return { operands: [...parsed.operands, ...rest], unknown: [] };
  }

  /** Commander's own messages: a leaf notes them and goes on, which commander allows for. */
  override error(message: string, options?: ErrorOptions): never {
    const fault = message.replace(/^error: /, "").replaceAll("\n", " ");
    if (!this.isLeaf) throw new UsageError(this.fullName, [fault]);
    // Without knowing whether an unknown flag takes a value, arguments cannot be counted.
    if (!(this.unknownFlags && options?.code === "commander.excessArguments")) this.faults.push(fault);
    return undefined as never;
  }

  private unknownFlagFault(given: string): string {
    const name = given.replace(/=.*$/s, "");
    const known = this.options.flatMap(({ long, short }) => [long ?? [], short ?? []].flat());
    const meant = suggest(name, known);
    return `unknown option ${quote(name)}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  }
}

const HELP = ["--help", "-h"];

function looksLikeFlag(text: string): boolean {
  return text.length > 1 && text.startsWith("-");
}
