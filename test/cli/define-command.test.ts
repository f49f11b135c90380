import { describe, expect, test } from "vitest";
import type { CommandContext } from "../../src/cli/context.ts";
import { defineCommand } from "../../src/cli/define-command.ts";
import { argument, flag, option, optionalArgument, optionOr, requiredOption, text } from "../../src/cli/spec.ts";
import { StrictCommand } from "../../src/cli/strict-command.ts";
import { UsageError } from "../../src/cli/usage-error.ts";
import { wholeNumber } from "../../src/cli/values/whole-number.ts";
import { createLogger } from "../../src/util/log.ts";
import { noColours } from "../../src/util/terminal.ts";

const context: CommandContext = {
  out: { write: fail, line: fail, json: fail, isTerminal: false, width: undefined, colours: noColours },
  log: createLogger("silent", () => undefined),
  signal: new AbortController().signal,
};

function fail(): never {
  throw new Error("nothing should be printed");
}

/** Runs a command of two arguments and five options; what it was given, or all its faults. */
async function given(...argv: string[]): Promise<unknown> {
  let seen: unknown;
  const add = defineCommand({
    name: "squeeze",
    summary: "for tests",
    arguments: { file: argument("file", "a file"), other: optionalArgument("other", "another") },
    options: {
      out: requiredOption("--out <file>", "output", text),
      tokens: option("-t, --tokens <n>", "tokens", wholeNumber()),
      bytes: option("--bytes <n>", "bytes", wholeNumber()),
      seed: optionOr("--seed <n>", "seed", wholeNumber({ min: 0 }), 7),
      json: flag("--json", "for machines"),
    },
    examples: [["squeeze a --out b", "an example"]],
    check: ({ options: { tokens, bytes } }) =>
      tokens !== undefined && bytes !== undefined ? ["--tokens and --bytes exclude each other"] : [],
    run: (input) => {
      seen = input;
      return Promise.resolve();
    },
  });
  const program = new StrictCommand("kvd").exitOverride().enablePositionalOptions();
  program.configureOutput({ writeOut: fail, writeErr: fail });
  add(program, context);
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    expect(error.code).toBe("bad-argument");
    expect(seen).toBeUndefined();
    return error.facts.faults;
  }
  return seen;
}

const unset = { tokens: undefined, bytes: undefined, seed: 7, json: false };

describe("values", () => {
  test("options in any place and form, defaults for the others", async () => {
    const expected = { arguments: { file: "a", other: "b" }, options: { ...unset, out: "c", tokens: 3, json: true } };
    expect(await given("squeeze", "a", "b", "--out", "c", "--tokens", "3", "--json")).toEqual(expected);
    expect(await given("squeeze", "--json", "--out=c", "a", "-t", "3", "b")).toEqual(expected);
    expect(await given("squeeze", "-t3", "--json", "--out=c", "--", "a", "b")).toEqual(expected);
  });
  test("a seed of 0 and an empty text are values", async () => {
    expect(await given("squeeze", "a", "--out=", "--seed", "0")).toEqual({
      arguments: { file: "a", other: undefined },
      options: { ...unset, out: "", seed: 0 },
    });
  });
  test("what looks like a flag is an argument after --", async () => {
    const expected = { arguments: { file: "--jsn", other: "--" }, options: { ...unset, out: "c" } };
    expect(await given("squeeze", "--out", "c", "--", "--jsn", "--")).toEqual(expected);
    expect(await given("squeeze", "-", "--out", "c")).toMatchObject({ arguments: { file: "-" } });
  });
});

describe("faults", () => {
  test("all at once", async () => {
    expect(
      await given("squeeze", "a", "--tokns", "3", "--seed", "-1", "-t", "x", "--jsno", "--bytes", "5", "--bytes", "6"),
    ).toEqual([
      '--seed: expected a whole number from 0; got "-1"',
      '--tokens: expected a whole number from 1; got "x"',
      "--bytes: given twice",
      'unknown option "--tokns"; did you mean --tokens?',
      'unknown option "--jsno"; did you mean --json?',
      "--out <file>: missing",
    ]);
  });
  test.each<[string, string[], (string | RegExp)[]]>([
    ["no argument", ["--out", "c"], ["missing required argument 'file'"]],
    ["too many", ["a", "b", "x", "--out", "c"], [/too many arguments/]],
    ["no value", ["a", "--out"], ["option '--out <file>' argument missing", "--out <file>: missing"]],
    ["together", ["a", "--out", "c", "-t", "1", "--bytes", "2"], ["--tokens and --bytes exclude each other"]],
    ["twice", ["a", "--out", "c", "--out", "d"], ["--out: given twice"]],
    ["a value of a flag", ["a", "--out", "c", "--json=1"], ['unknown option "--json"; did you mean --json?']],
  ])("%s", async (_, argv, faults) => {
    expect(await given("squeeze", ...argv)).toEqual(
      faults.map((fault) => (typeof fault === "string" ? fault : (expect.stringMatching(fault) as string))),
    );
  });
  test("no such command, and options in front of it", async () => {
    expect(await given("squeze")).toEqual([expect.stringMatching(/unknown command 'squeze'.*squeeze/)]);
    expect(await given("--json", "squeeze")).toEqual(["unknown option '--json'"]);
  });
});
