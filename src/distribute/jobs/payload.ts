import { z } from "zod";
import { isKvDistillError, KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { quote } from "../../util/quote.ts";
import { parseJson } from "../carried-json.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { identitySchema } from "../identity.ts";
import { storedFileSchema } from "../store/key.ts";
import type { Purpose, QueueToken, Sealed } from "../token.ts";

const MAX_PAYLOAD = 2 ** 22;

/** Of a job's pieces of work so many are told by name to who looks at the queue; the others are counted. */
export const MOST_NAMES = 100;

/** Of a run and, with its place behind, of its jobs. */
export const RUN_NAME = /^[a-z]{2,20}-[0-9a-f]{12,32}$/;
const runName = z.string().regex(RUN_NAME, "not the name of a run");

const common = {
  version: z.literal(1),
  /** The name under which the queue knows the job: a job that is sent again under another is refused. */
  id: z.string(),
  run: runName,
  kind: z.string(),
  identity: identitySchema,
  /** How much it is, in the run's unit. */
  units: z.int().min(0),
};

/** What a worker is asked to do: a child. */
export const jobSchema = z.strictObject({
  ...common,
  /** Place among the run's jobs, from 0. */
  index: z.int().min(0),
  /** Documents or passages, for people: the first of all `units`. */
  names: boundedList(z.string(), { most: MOST_NAMES }),
  /** Data for the job's kind, which checks it. */
  work: z.unknown(),
});
export type JobPayload = Readonly<z.infer<typeof jobSchema>>;

/** What a round is to the training run that it belongs to: steps done before it, in it, and in all. */
export const roundSchema = z.strictObject({
  training: runName,
  done: z.int().min(0),
  steps: z.int().min(1),
  total: z.int().min(1),
});
export type RoundPlace = Readonly<z.infer<typeof roundSchema>>;

/** The parent of a run's jobs: it comes when they are done. */
export const runSchema = z.strictObject({
  ...common,
  /** How many jobs there are. */
  jobs: z.int().min(1),
  /** What is counted, in the plural: `documents`. */
  unit: z.string(),
  /** For people. */
  title: z.string(),
  round: roundSchema.optional(),
  /** Its sender may end it while some of its jobs are not done. */
  endsEarly: z.literal(true).optional(),
});
export type RunPayload = Readonly<z.infer<typeof runSchema>>;

/** How work ended that did not succeed. */
export const failureSchema = z.strictObject({ code: z.string(), message: z.string() });
export type Failure = Readonly<z.infer<typeof failureSchema>>;

/** How a job ended that was not done when its run ended. */
export const LATE: Failure = { code: "late", message: "it did not come in time" };

/** What a job leaves behind. */
export const jobResultSchema = z.strictObject({
  id: z.string(),
  result: z.unknown(),
  /** Pieces of its work that failed for good while it went on with the others, for people: how many, and the first of them. */
  failed: z.strictObject({
    count: z.int().min(0),
    first: boundedList(z.strictObject({ name: z.string(), ...failureSchema.shape }), { most: MOST_NAMES }),
  }),
});
export type FailedPieces = Readonly<z.infer<typeof jobResultSchema>["failed"]>;

/** What a run leaves behind: how each of its jobs ended, in order, in a file. */
export const runResultSchema = z.strictObject({
  id: z.string(),
  outcomes: storedFileSchema,
  failed: z.int().min(0),
});

const sealedSchema = z.strictObject({ payload: z.string().max(MAX_PAYLOAD), proof: z.string() });

export function sealJson(token: QueueToken, purpose: Purpose, value: object): Sealed {
  return token.seal(purpose, JSON.stringify(value));
}

/**
 * Reads what came over the queue: the proof first, then the JSON, then its fields, then that it is about this job.
 * @param id the name under which the queue knows the job
 * @throws KvDistillError `bad-argument`
 */
export function openSealed<T extends { readonly id: string }>(
  token: QueueToken,
  purpose: Purpose,
  schema: z.ZodType<T>,
  id: string,
  data: unknown,
): T {
  const sealed = sealedSchema.safeParse(data);
  if (!sealed.success || !token.holds(purpose, sealed.data)) {
    throw new KvDistillError("bad-argument", `the ${purpose} has no proof made with this token`, {
      where: quote(id),
      hint: "both sides need the same token; others who can write to the queue cannot make proofs",
    });
  }
  const value = checked(schema, parseJson(sealed.data.payload, `${purpose} ${id}`), `${purpose} ${id}`);
  if (value.id === id) return value;
  throw new KvDistillError("bad-argument", `the ${purpose} is another's`, { where: quote(id), got: quote(value.id) });
}

/** What came over the queue for people to look at, who need no token for that; undefined when it is nothing of this program's. */
export function unproven<T>(schema: z.ZodType<T>, data: unknown): T | undefined {
  const sealed = z.object({ payload: z.string().max(MAX_PAYLOAD) }).safeParse(data);
  if (!sealed.success) return undefined;
  try {
    return schema.parse(JSON.parse(sealed.data.payload));
  } catch {
    return undefined;
  }
}

/** @throws KvDistillError `bad-argument` with all faults at once */
export function checked<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = faultList(result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`));
  throw new KvDistillError("bad-argument", "not what a queue of this version carries", { where, faults });
}

export function failureOf(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  return { code: isKvDistillError(error) ? error.code : "internal", message };
}

/** A failure as the reason of BullMQ's failed jobs, and back. */
export function failureText({ code, message }: Failure): string {
  return `${code}: ${message}`;
}

export function parseFailure(text: string): Failure {
  const [, code, message] = /^([a-z-]+): ([^]*)$/.exec(text) ?? [];
  return code === undefined || message === undefined ? { code: "internal", message: text } : { code, message };
}
