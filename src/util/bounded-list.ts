import { z } from "zod";

/** Faulty items after which the rest of a list is not looked at. */
const MOST_FAULTS = 10;

/**
 * A list of untrusted length. Zod makes an object of hundreds of bytes of every fault, so that a list of two bytes an item would take
 * hundreds of times its own size to refuse: here the check ends at the tenth faulty item.
 * @param least items
 * @param most items; longer lists are refused before any item is looked at
 */
export function boundedList<T extends z.ZodType>(
  item: T,
  { least = 0, most = Infinity }: { readonly least?: number; readonly most?: number } = {},
): z.ZodPipe<z.ZodArray<z.ZodUnknown>, z.ZodTransform<z.output<T>[], unknown[]>> {
  return z.array(z.unknown()).transform((values, context): z.output<T>[] => {
    if (values.length < least || values.length > most) {
      context.addIssue({ code: "custom", message: `expected ${lengthText(least, most)}, got ${values.length}` });
      return z.NEVER;
    }
    const items: z.output<T>[] = [];
    let faulty = 0;
    for (const [i, value] of values.entries()) {
      const result = item.safeParse(value);
      if (result.success) {
        items.push(result.data);
        continue;
      }
      for (const { path, message } of result.error.issues) {
        context.addIssue({ code: "custom", path: [i, ...path], message });
      }
      if (++faulty === MOST_FAULTS) break;
    }
    return faulty === 0 ? items : z.NEVER;
  });
}

function lengthText(least: number, most: number): string {
  if (most === Infinity) return `at least ${least} ${least === 1 ? "item" : "items"}`;
  return least === 0 ? `at most ${most} items` : `${least} to ${most} items`;
}
