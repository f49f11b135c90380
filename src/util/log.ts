import { KvDistillError } from "./errors.ts";
import { printable } from "./printable.ts";
import { coloursFor, noColours } from "./terminal.ts";
import type { Colours, TextStream } from "./terminal.ts";

/**
 * What is told on stderr, from least to most; each level includes those before it (docs/logging.md):
 * `silent` nothing · `error` why a command failed · `warn` what a person should know but need not act on ·
 * `info` what is being done (the default) · `debug` decisions and sizes · `trace` every step and batch.
 */
export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A message, or a function that makes it and is called only when the level is on. */
type Message = string | (() => string);

export interface Logger {
  readonly level: LogLevel;
  error(message: Message): void;
  warn(message: Message): void;
  info(message: Message): void;
  debug(message: Message): void;
  trace(message: Message): void;
}

/** A logger that writes one line per message, `warn: …`; `info` has no prefix. Control characters are made visible. */
export function createLogger(level: LogLevel, write: (line: string) => void, colours: Colours = noColours): Logger {
  const prefixes = {
    error: colours.red("error: "),
    warn: colours.yellow("warn: "),
    info: "",
    debug: colours.dim("debug: "),
    trace: colours.dim("trace: "),
  };
  const at = (own: keyof typeof prefixes) => {
    if (LOG_LEVELS.indexOf(own) > LOG_LEVELS.indexOf(level)) return () => undefined;
    return (message: Message) => {
      write(`${prefixes[own]}${printable(typeof message === "string" ? message : message())}\n`);
    };
  };
  return { level, error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug"), trace: at("trace") };
}

/**
 * The level named by `KV_DISTILL_LOG`; `info` when it is unset or empty.
 * @throws KvDistillError `bad-argument` for any other value.
 */
export function logLevelFrom(environment: Readonly<Record<string, string | undefined>> = process.env): LogLevel {
  const asked = environment.KV_DISTILL_LOG ?? "";
  if (asked === "") return "info";
  const level = LOG_LEVELS.find((name) => name === asked);
  if (level === undefined) {
    throw new KvDistillError("bad-argument", "unknown log level", {
      where: "KV_DISTILL_LOG",
      expected: LOG_LEVELS.join(", "),
      got: asked,
    });
  }
  return level;
}

/**
 * The logger of a command: stderr, level from `KV_DISTILL_LOG`, colours on a terminal only.
 * @throws KvDistillError `bad-argument` for an unknown level.
 */
export function stderrLogger(stream: TextStream = process.stderr): Logger {
  return createLogger(logLevelFrom(), (line) => stream.write(line), coloursFor(stream));
}
