import { describe, expect, test } from "vitest";
import { VERSION } from "../../src/util/version.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { CLI_TIME, runCli } from "./run-cli.ts";

const llama = tinyModel("llama");

describe("the command line", { timeout: CLI_TIME }, () => {
  test("version on stdout, nothing on stderr", async () => {
    expect(await runCli(["--version"], {})).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: "" });
  });

  test("help of a command on stdout with examples; no command: help on stderr and 2", async () => {
    const help = await runCli(["logits", "--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toMatch(/Usage: kv-distill logits/);
    expect(help.stdout).toMatch(/--model <name\|path>.*\n[^]*Examples:\n {2}kv-distill logits/);
    const bare = await runCli([]);
    expect(bare).toMatchObject({ code: 2, stdout: "" });
    expect(bare.stderr).toMatch(/Commands:/);
  });

  test("a wrong command line: 2, all faults on stderr", async () => {
    const run = await runCli(["logits", "--modle", "x", "--ids", "1,x", "--threads", "0"]);
    expect(run).toEqual({
      code: 2,
      stdout: "",
      stderr: [
        "error: [bad-argument] kv-distill logits: the command line is wrong",
        '  - --ids: expected whole numbers from 0, separated by commas; got "x"',
        '  - --threads: expected a whole number from 1; got "0"',
        '  - unknown option "--modle"; did you mean --model?',
        "  hint: kv-distill logits --help",
        "",
      ].join("\n"),
    });
  });

  test("for machines: one JSON line on stderr", async () => {
    const run = await runCli(["logits", "--json", "--ids", "1", "--text", "a"]);
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(run.stderr)).toEqual({
      error: {
        code: "bad-argument",
        message: expect.stringContaining("give either --ids or --text") as string,
        where: "kv-distill logits",
        expected: null,
        got: null,
        hint: "kv-distill logits --help",
        faults: ["give either --ids or --text"],
      },
    });
  });

  test("a failure is 1, with what the error knows", async () => {
    const run = await runCli(["logits", "--json", "--model", llama, "--ids", "1,2,300"]);
    expect(run).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(run.stderr)).toEqual({
      error: {
        code: "bad-argument",
        message: expect.stringContaining("token id outside the vocabulary") as string,
        where: "ids[2]",
        expected: "a whole number from 0 to 299",
        got: "300",
        hint: null,
      },
    });
    const missing = await runCli(["logits", "--model", "./no-such-model", "--text", "a"]);
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toMatch(/^error: \[not-found\] ".\/no-such-model": no such model; expected .*\n {2}hint: /);
  });

  test("a silent log leaves the exit code; a wrong level is an error", async () => {
    const silent = { environment: { KV_DISTILL_LOG: "silent" } };
    expect(await runCli(["verify", "./nothing"], silent)).toEqual({ code: 1, stdout: "", stderr: "" });
    const loud = await runCli(["--version"], { environment: { KV_DISTILL_LOG: "loud" } });
    expect(loud).toMatchObject({ code: 1, stdout: "" });
    expect(loud.stderr).toMatch(/^error: \[bad-argument\] KV_DISTILL_LOG/);
  });

  test("Ctrl-C ends the wait for stdin with 130", async () => {
    const run = await runCli(["generate", "-", "--model", llama], {
      // The first line of the debug log comes when signals are watched.
      meanwhile: (child) => child.stderr.once("data", () => child.kill("SIGINT")),
      environment: { KV_DISTILL_LOG: "debug" },
    });
    expect(run).toMatchObject({ code: 130, stdout: "" });
    expect(run.stderr).toMatch(/^error: \[cancelled\] stopped by SIGINT$/m);
  });

  test("a reader that goes away ends the command quietly", async () => {
    const run = await runCli(["logits", "--model", llama, "--ids", "1,2", "--json"], {
      meanwhile: (child) => child.stdout.destroy(),
    });
    expect(run).toMatchObject({ code: 0, stderr: "" });
  });
});
