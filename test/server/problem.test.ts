import { expect, test } from "vitest";
import { problemOf } from "../../src/server/http/problem.ts";
import { KvDistillError } from "../../src/util/errors.ts";

test.each([
  "/srv/models/mine: chat_template.jinja",
  "models/mine: chat_template.jinja",
  "C:\\models: chat_template.jinja",
])("S15: what a model's file refuses is told without its path, %s", (where) => {
  const error = new KvDistillError("bad-argument", "the model's chat template refuses these messages", {
    where,
    got: '"roles must alternate"',
  });
  expect(problemOf(error)).toEqual({
    status: 400,
    error: {
      message: 'the model\'s chat template refuses these messages; got "roles must alternate"',
      type: "invalid_request_error",
      code: "bad-argument",
      param: null,
    },
    retryAfterSeconds: undefined,
  });
});

test("a field of the request is named", () => {
  const { error } = problemOf(new KvDistillError("bad-argument", "the budget is too small", { where: "keep" }));
  expect([error.message, error.param]).toEqual(["keep: the budget is too small", "keep"]);
});
