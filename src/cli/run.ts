import { CommanderError } from "commander";
import { diskError } from "../util/disk-error.ts";
import { isKvDistillError, KvDistillError } from "../util/errors.ts";
import { createLogger, type Logger, stderrLogger } from "../util/log.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { streamOutput } from "./output.ts";
import { createProgram } from "./program.ts";
import { reportError } from "./report-error.ts";
import { exitCodeOf, watchSignals } from "./signals.ts";
import { UsageError } from "./usage-error.ts";
import { typedWords } from "./typed-command.ts";

/** Where a command line writes. */
export interface CliStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/**
 * Runs one command line; Ctrl-C and SIGTERM of this process end it.
 * @param argv what follows the program's name
 * @returns the exit code
 */
export async function runCli(argv: readonly string[], { stdout, stderr }: CliStreams = process): Promise<number> {
  const controller = new AbortController();
  const output: { readerGone: boolean; fault?: KvDistillError } = { readerGone: false };
  const stop = (why: string): void => {
    controller.abort(new KvDistillError("cancelled", why));
  };
  const onClosed = (): void => {
    output.readerGone = true;
    stop("nobody reads the output");
  };
  const onFailed = (error: Error): void => {
    output.fault = diskError(error, "stdout", "cannot write the results");
    stop("the results cannot be written");
  };
  const out = streamOutput(stdout, onClosed, onFailed);
  // Without a reader of stderr there is nobody to tell.
  stderr.on("error", () => undefined);
  const writeError = (text: string): void => void stderr.write(text);
  const signals = watchSignals((signal) => {
    stop(`stopped by ${signal}`);
  });
  // A command in progress keeps the process alive, also while it only waits for a runtime, which does not.
  const alive = setInterval(() => undefined, 2 ** 30);
  const json = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined).includes("--json");
  // Until the level is known; a wrong level is an error like any other.
  let log: Logger = createLogger("error", writeError);
  try {
    log = stderrLogger(stderr);
    log.debug(() => `${PACKAGE_NAME_AND_VERSION} on Node ${process.version}: ${JSON.stringify(typedWords(argv))}`);
    await createProgram({ out, log, signal: controller.signal }, writeError).parseAsync(argv, { from: "user" });
    if (output.fault !== undefined) throw output.fault;
    return 0;
  } catch (error) {
    // Help and version have been printed.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const cancelled = isKvDistillError(error) && error.code === "cancelled";
    if (cancelled && output.readerGone) return 0;
    reportError(cancelled ? (output.fault ?? error) : error, json, log, writeError);
    const signal = signals.received();
    if (cancelled && signal !== undefined) return exitCodeOf(signal);
    return error instanceof UsageError ? 2 : 1;
  } finally {
    signals.stop();
    clearInterval(alive);
  }
}
