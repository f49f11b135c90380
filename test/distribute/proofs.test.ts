import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  failureText,
  jobResultSchema,
  LATE,
  openSealed,
  parseFailure,
  sealJson,
} from "../../src/distribute/jobs/payload.ts";
import { orderedOutcomes } from "../../src/distribute/run/outcomes.ts";
import { QueueToken } from "../../src/distribute/token.ts";

const token = new QueueToken("0123456789abcdef0123456789abcdef");
const other = new QueueToken("0123456789abcdef0123456789abcdeg");
const schema = z.strictObject({ id: z.string(), value: z.number() });
const open = (data: unknown, by = token, purpose: "job" | "result" = "job", id = "a-1") =>
  openSealed(by, purpose, schema, id, data);

describe("what came over the queue", () => {
  test("is read with its token, for its purpose, under its name", () => {
    const sealed = sealJson(token, "job", { id: "a-1", value: 7 });
    expect(open(sealed)).toEqual({ id: "a-1", value: 7 });
    expect(() => open(sealed, other)).toThrow(/no proof made with this token/);
    expect(() => open(sealed, token, "result")).toThrow(/the result has no proof/);
    expect(() => open(sealed, token, "job", "a-2")).toThrow(/the job is another's/);
    for (const data of [undefined, null, "x", {}, { payload: "{}" }, { payload: "{}", proof: "" }]) {
      expect(() => open(data)).toThrow(/no proof/);
    }
  });

  test("is refused when a single character of payload or proof differs", () => {
    const { payload, proof } = sealJson(token, "job", { id: "a-1", value: 7 });
    const changed = (text: string, at: number): string => {
      const i = at % text.length;
      return text.slice(0, i) + (text[i] === "0" ? "1" : "0") + text.slice(i + 1);
    };
    fc.assert(
      fc.property(fc.nat(1000), fc.boolean(), (at, inProof) => {
        const data = inProof ? { payload, proof: changed(proof, at) } : { payload: changed(payload, at), proof };
        expect(() => open(data)).toThrow(/no proof/);
      }),
    );
  });

  test("is checked field by field", () => {
    expect(() => open(sealJson(token, "job", { id: "a-1", value: "7", more: 1 }))).toThrow(/value: [^]*more/i);
  });

  test("is refused where it is proven and yet no JSON", () => {
    for (const payload of ["", "{", "x", '{"id":"a-1","value":7']) {
      expect(() => open(token.seal("job", payload))).toThrow(expect.objectContaining({ code: "bad-argument" }));
    }
  });

  test("short tokens and those with spaces are refused", () => {
    expect(() => new QueueToken("short")).toThrow(/shorter than 32/);
    expect(() => new QueueToken(`${"a".repeat(40)} `)).toThrow(/white space/);
  });
});

describe("outcomes of a run", () => {
  const run = "eval-0123456789ab";
  const value = (index: number, result: unknown = index): unknown =>
    sealJson(token, "result", {
      id: `${run}-${index}`,
      result,
      failed: { count: 0, first: [] },
    } satisfies z.infer<typeof jobResultSchema>);

  test("each job once, in order, whatever the order of their ends; those that have none are late where a run may end early", () => {
    const told = (end: string, i: number): object => {
      if (end === "open") return { failure: LATE };
      return end === "failed" ? { failure: { code: "engine", message: `e${i}` } } : { result: i };
    };
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("done", "failed", "open"), { minLength: 1, maxLength: 30 }),
        fc.infiniteStream(fc.nat()),
        (ends, lots) => {
          const order = ends.map((_, i) => ({ i, lot: Number(lots.next().value) })).sort((a, b) => a.lot - b.lot);
          const those = (end: string) =>
            order.filter(({ i }) => ends[i] === end).map(({ i }) => [`${run}-${i}`, i] as const);
          const values = new Map(those("done").map(([id, i]) => [id, value(i)]));
          const failures = new Map(those("failed").map(([id, i]) => [id, `engine: e${i}`]));
          const put = (endsEarly: object): object[] =>
            orderedOutcomes({ run, jobs: ends.length, ...endsEarly }, values, failures, token);
          expect(put({ endsEarly: true })).toEqual(ends.map(told));
          if (ends.includes("open")) expect(() => put({})).toThrow(/does not know how a job ended/);
          else expect(put({})).toEqual(ends.map(told));
        },
      ),
    );
  });

  test("a job that is missing, there twice or too many is told; a result without proof is a failure", () => {
    const two = new Map([0, 1].map((i) => [`${run}-${i}`, value(i)] as const));
    const put = (jobs: number, values: ReadonlyMap<string, unknown>, failures = new Map<string, string>()) =>
      orderedOutcomes({ run, jobs }, values, failures, token);
    expect(() => put(3, two)).toThrow(/does not know how a job ended/);
    expect(() => put(2, two, new Map([[`${run}-1`, "x"]]))).toThrow(/does not know/);
    expect(() => put(1, two)).toThrow(/jobs that the run has not/);
    expect(() => orderedOutcomes({ run, jobs: 1, endsEarly: true }, two, new Map(), token)).toThrow(/has not/);
    const forged = new Map([[`${run}-0`, sealJson(other, "result", { id: `${run}-0`, result: 1 })]]);
    expect(put(1, forged)).toMatchObject([{ failure: { code: "bad-argument" } }]);
  });

  test("failures survive BullMQ's texts", () => {
    const failure = { code: "bad-file", message: "x: y\n  - z" };
    expect(parseFailure(failureText(failure))).toEqual(failure);
    expect(parseFailure("Cannot read properties")).toEqual({ code: "internal", message: "Cannot read properties" });
  });
});
