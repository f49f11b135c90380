import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createLogger, LOG_LEVELS, logLevelFrom } from "../../src/util/log.ts";
import { printable } from "../../src/util/printable.ts";
import { renderTable } from "../../src/util/table.ts";
import { coloursFor, isLiveTerminal } from "../../src/util/terminal.ts";
import { columnsOf, cutLine, wrapText } from "../../src/util/text-width.ts";

const screen = { isTTY: true, columns: 80, write: () => true };
const file = { write: () => true };

describe("terminal", () => {
  test("colours only on a live terminal, and never with NO_COLOR", () => {
    const on = (stream: { isTTY?: boolean; write: () => boolean }, environment: Record<string, string>) =>
      coloursFor(stream, environment).isColorSupported;
    expect(on(screen, {})).toBe(true);
    expect(on(screen, { NO_COLOR: "" })).toBe(true);
    expect(on(screen, { NO_COLOR: "1" })).toBe(false);
    expect(on(screen, { TERM: "dumb" })).toBe(false);
    expect(on(file, {})).toBe(false);
    expect(on(file, { FORCE_COLOR: "1" })).toBe(false);
    expect(isLiveTerminal(screen, { TERM: "dumb" })).toBe(false);
  });
});

describe("printable", () => {
  test("escape sequences, carriage returns, bells and reordering marks become visible", () => {
    expect(printable("a\u001b[31mb\rc\u0007\u009b\u202e\u2028")).toBe(
      "a\\u001b[31mb\\u000dc\\u0007\\u009b\\u202e\\u2028",
    );
  });

  test("other text, tabs and newlines stay", () => {
    expect(printable("España 東京 🎉\n\tx")).toBe("España 東京 🎉\n\tx");
  });
});

describe("text width", () => {
  const words = fc.array(fc.constantFrom("a", "ab", "東京", "🎉", "é", "longlonglonglong", " ", "  ", "\n"));

  test("wrapped lines fit and lose nothing but spaces", () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 2, max: 20 }), (pieces, columns) => {
        const text = pieces.join("");
        const lines = wrapText(text, columns);
        for (const line of lines) expect(columnsOf(line)).toBeLessThanOrEqual(columns);
        expect(lines.join("").replaceAll(/\s/g, "")).toBe(text.replaceAll(/\s/g, ""));
      }),
    );
  });

  test("breaks at spaces where it can", () => {
    expect(wrapText("the Denver Broncos won", 10)).toEqual(["the Denver", "Broncos", "won"]);
    expect(wrapText("  indented\n\nlast", 20)).toEqual(["  indented", "", "last"]);
    expect(wrapText("abcdefgh", 3)).toEqual(["abc", "def", "gh"]);
  });

  test("cut lines fit and say that they were cut", () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 0, max: 30 }), (pieces, columns) => {
        const line = pieces.join("").replaceAll("\n", "");
        const cut = cutLine(line, columns);
        expect(columnsOf(cut)).toBeLessThanOrEqual(columns);
        expect(cut === line || cut === "" || cut.endsWith("…")).toBe(true);
      }),
    );
  });
});

describe("logger", () => {
  const linesAt = (level: (typeof LOG_LEVELS)[number]) => {
    const lines: string[] = [];
    const log = createLogger(level, (line) => lines.push(line));
    log.error("e");
    log.warn("w");
    log.info("i");
    log.debug(() => "d");
    log.trace("t");
    return lines;
  };

  test("each level includes those before it", () => {
    const all = ["error: e\n", "warn: w\n", "i\n", "debug: d\n", "trace: t\n"];
    LOG_LEVELS.forEach((level, count) => {
      expect(linesAt(level)).toEqual(all.slice(0, count));
    });
  });

  test("a message that is off is never made", () => {
    const log = createLogger("info", () => undefined);
    log.debug(() => {
      throw new Error("made");
    });
  });

  test("S8: control characters do not reach the terminal", () => {
    const lines: string[] = [];
    createLogger("info", (line) => lines.push(line)).info("\u001b]0;title\u0007");
    expect(lines).toEqual(["\\u001b]0;title\\u0007\n"]);
  });

  test("the environment names the level", () => {
    expect(logLevelFrom({})).toBe("info");
    expect(logLevelFrom({ KV_DISTILL_LOG: "" })).toBe("info");
    expect(logLevelFrom({ KV_DISTILL_LOG: "trace" })).toBe("trace");
    expect(() => logLevelFrom({ KV_DISTILL_LOG: "verbose" })).toThrow(
      "KV_DISTILL_LOG: unknown log level; expected silent, error, warn, info, debug, trace; got verbose",
    );
  });
});

describe("table", () => {
  const columns = [{ name: "method" }, { name: "bytes", align: "right" }] as const;

  test("numbers stand right, rows of one line have no rules between them", () => {
    const rows = [
      ["full", "27.6 MB"],
      ["none", "0 B"],
    ];
    expect(`\n${renderTable({ columns, rows })}`).toMatchInlineSnapshot(`
      "
      ┌────────┬─────────┐
      │ method │   bytes │
      ├────────┼─────────┤
      │ full   │ 27.6 MB │
      │ none   │     0 B │
      └────────┴─────────┘"
    `);
  });

  test("long cells wrap within the width and keep every word; controls are shown", () => {
    const answer = "one two three four five six seven eight nine ten \u001b[2J";
    const drawn = renderTable(
      {
        columns: [{ name: "m" }, { name: "answer" }],
        rows: [
          ["full", answer],
          ["none", ""],
        ],
      },
      { width: 30 },
    );
    expect(`\n${drawn}`).toMatchInlineSnapshot(`
      "
      ┌──────┬────────────────────┐
      │ m    │ answer             │
      ├──────┼────────────────────┤
      │ full │ one two three four │
      │      │ five six seven     │
      │      │ eight nine ten     │
      │      │ \\u001b[2J          │
      ├──────┼────────────────────┤
      │ none │                    │
      └──────┴────────────────────┘"
    `);
  });

  test("any text fits any width that leaves six columns a cell", () => {
    const unit = fc.constantFrom("a", "é", "Ж", "東", "🎉", "wordwordword", " ", "\n", "\t", "\u001b");
    const text = fc.string({ unit, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 19, max: 70 }),
        (rows, width) => {
          const drawn = renderTable({ columns: [{ name: "a" }, { name: "b" }], rows }, { width });
          const widths = drawn.split("\n").map(columnsOf);
          expect(Math.max(...widths)).toBeLessThanOrEqual(width);
          expect(new Set(widths).size).toBe(1);
        },
      ),
    );
  });

  test("colours are put around each line, after wrapping", () => {
    const colour = (line: string) => `<${line}>`;
    const drawn = renderTable({ columns: [{ name: "a" }], rows: [[{ text: "one two", colour }]] }, { width: 10 });
    expect(drawn).toContain("<one>");
    expect(drawn).toContain("<two>");
  });
});
