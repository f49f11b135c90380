import { fuzzTests } from "./fuzz-tests.ts";
import { WEIGHTS } from "./targets/index.ts";

fuzzTests(WEIGHTS);
