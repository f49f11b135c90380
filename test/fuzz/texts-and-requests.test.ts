import { expect, test } from "vitest";
import { fuzzTests } from "./fuzz-tests.ts";
import { evaluationLines, evaluationRun } from "./targets/evaluation.ts";
import { http } from "./targets/http.ts";
import { TARGETS } from "./targets/index.ts";
import { smallFiles, strictJson } from "./targets/small-files.ts";
import { parquet, rowReaders, sources } from "./targets/sources.ts";
import { chatTemplate, promptTemplates } from "./targets/templates.ts";
import { modelConfig, tokenizerJson } from "./targets/tokenizer.ts";

fuzzTests([
  http,
  tokenizerJson,
  modelConfig,
  chatTemplate,
  promptTemplates,
  sources,
  parquet,
  rowReaders,
  evaluationRun,
  evaluationLines,
  strictJson,
  smallFiles,
]);

test("every target is in one of the two files", () => {
  expect(TARGETS).toHaveLength(21);
});
