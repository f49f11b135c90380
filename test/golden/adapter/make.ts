/** Writes the sample adapters as folders `llama` and `gpt2` beside this file; `make.py` then loads them with PEFT. */
import { join } from "node:path";
import { saveAdapter } from "../../../src/cache/save-adapter.ts";
import { gpt2Targets, sampleAdapter, sampleConfig } from "../../cache/sample-adapter.ts";

const gpt2 = { ...sampleConfig, targets: gpt2Targets, fanInFanOut: true };
await saveAdapter(join(import.meta.dirname, "llama"), sampleAdapter(), { replace: true });
await saveAdapter(join(import.meta.dirname, "gpt2"), sampleAdapter(gpt2), { replace: true, dtype: "F16" });
