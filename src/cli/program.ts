import { VERSION } from "../util/version.ts";
import { COMMANDS } from "./commands/index.ts";
import type { CommandContext } from "./context.ts";
import { StrictCommand } from "./strict-command.ts";

const DESCRIPTION = `Distils a long text's key/value cache to a small file that the unmodified model answers from.

Results go to stdout, everything else to stderr; options stand after the command.

Environment: KV_DISTILL_HOME, where models are kept; KV_DISTILL_LOG (silent, error, warn, info, debug, trace), how much
is told on stderr; NO_COLOR.

Exit codes: 0 done, 1 failed, 2 wrong command line, 130 stopped by Ctrl-C.`;

/** The whole command line. Options stand after the command. */
export function createProgram(context: CommandContext, writeError: (text: string) => void): StrictCommand {
  const program = new StrictCommand("kv-distill")
    .description(DESCRIPTION)
    .usage("COMMAND [options]")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "explain a command")
    .helpCommand("help [command]", "explain a command")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        context.out.write(text);
      },
      writeErr: writeError,
    });
  for (const add of COMMANDS) add(program, context);
  return program;
}
