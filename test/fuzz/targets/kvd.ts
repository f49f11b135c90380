import { createHash } from "node:crypto";
import { checkKvCache } from "../../../src/cache/check-kv-cache.ts";
import { describeKvd, loadKvd } from "../../../src/cache/load-kvd.ts";
import { slotsOf } from "../../../src/cache/kv-cache.ts";
import { mutateBytes } from "../make/bytes.ts";
import { damagedFiles, filesCase, golden } from "../make/case.ts";
import { mutateSafetensors, safetensorsParts } from "../make/safetensors-parts.ts";
import { must, type Target } from "../target.ts";

/** A `.kvd` file. Half of them get a right checksum, so that what comes after it is reached. */
export const kvd: Target = {
  name: "kvd",
  share: 80,
  open: (scratch) => {
    const wholes = [golden("kvd/tiny.kvd"), golden("kvd/tiny-ragged.kvd")];
    const samples = wholes.map((whole) => ({ whole, parts: safetensorsParts(whole) }));
    const make = (bytes: Uint8Array) => filesCase(scratch, { "a.kvd": bytes }, (folder) => check(`${folder}/a.kvd`));
    return Promise.resolve({
      make: (dice) => {
        const { whole, parts } = dice.pick(samples);
        const bytes = dice.chance(0.9) ? mutateSafetensors(parts, dice) : mutateBytes(whole, dice);
        return make(dice.chance(0.5) ? summed(bytes) : bytes);
      },
      edges: function* () {
        for (const whole of wholes) {
          for (const { "a.kvd": bytes } of damagedFiles({ "a.kvd": whole }, "a.kvd"))
            if (bytes !== undefined) yield make(bytes);
          for (const { "a.kvd": bytes } of damagedFiles({ "a.kvd": whole }, "a.kvd"))
            if (bytes !== undefined) yield make(summed(bytes));
        }
      },
      close: () => Promise.resolve(),
    });
  },
};

async function check(path: string): Promise<void> {
  const cache = await loadKvd(path);
  checkKvCache(cache, "a cache that was loaded");
  const description = await describeKvd(path);
  must(
    description.slots === slotsOf(cache) && description.contextLength === cache.contextLength,
    "description and cache differ",
  );
}

/** The file with the checksum that its content has, where it has a place for one (docs/formats/kvd.md). */
export function summed(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  const marker = '"sha256":"';
  const at = copy.lastIndexOf(marker);
  const start = at + marker.length;
  if (at < 0 || !/^[0-9a-f]{64}$/.test(copy.toString("latin1", start, start + 64))) return copy;
  copy.write("0".repeat(64), start, "latin1");
  const sum = createHash("sha256").update(copy).digest("hex");
  copy.write(sum, start, "latin1");
  return copy;
}
