import { fuzzTests } from "./fuzz-tests.ts";
import { TARGETS, WEIGHTS } from "./targets/index.ts";

fuzzTests(TARGETS.filter((target) => !WEIGHTS.includes(target)));
