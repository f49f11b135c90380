import { expect, test } from "vitest";
import { fuzzTests } from "./fuzz-tests.ts";
import { distributedFiles } from "./targets/distributed-files.ts";
import { evaluationConfig, evaluationLines, evaluationRun } from "./targets/evaluation.ts";
import { http } from "./targets/http.ts";
import { TARGETS } from "./targets/index.ts";
import { pulledModels } from "./targets/model-files.ts";
import { queuePayload, storedWork } from "./targets/queue.ts";
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
  queuePayload,
  storedWork,
  distributedFiles,
  pulledModels,
  evaluationConfig,
]);

test("every target is in one of the two files", () => {
  expect(TARGETS).toHaveLength(28);
});
