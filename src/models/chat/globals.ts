import type { Environment } from "./jinja.ts";
import { TemplateLimitReached, TemplateRefusal } from "./limits.ts";

/** What templates find beside their variables: Jinja's constants, `range`, and transformers' two functions. */
export function setGlobals(environment: Environment, now: Date, listLength: number): void {
  for (const [name, value] of Object.entries({ true: true, false: false, none: null })) {
    environment.set(name, value);
    environment.set(name.charAt(0).toUpperCase() + name.slice(1), value);
  }
  environment.set("range", (start: number, stop?: number, step?: number) => range(start, stop, step, listLength));
  environment.set("raise_exception", (message: unknown) => {
    throw new TemplateRefusal(String(message));
  });
  environment.set("strftime_now", (format: unknown) => strftime(String(format), now));
}

/** Python's `range` as a list. */
function range(first: number, second: number | undefined, step: number | undefined, limit: number): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const by = step ?? 1;
  const length = Math.max(0, Math.ceil((stop - start) / by));
  if (!(length <= limit)) throw new TemplateLimitReached(`range() of ${length} items`);
  return Array.from({ length }, (_, i) => start + i * by);
}

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** Python's `strftime` in the C locale, local time, for the directives that chat templates use. */
export function strftime(format: string, date: Date): string {
  const two = (value: number) => value.toString().padStart(2, "0");
  const month = MONTHS[date.getMonth()] ?? "";
  const day = DAYS[date.getDay()] ?? "";
  const directives: Readonly<Record<string, string>> = {
    "%Y": date.getFullYear().toString(),
    "%y": two(date.getFullYear() % 100),
    "%m": two(date.getMonth() + 1),
    "%B": month,
    "%b": month.slice(0, 3),
    "%d": two(date.getDate()),
    "%A": day,
    "%a": day.slice(0, 3),
    "%H": two(date.getHours()),
    "%M": two(date.getMinutes()),
    "%S": two(date.getSeconds()),
    "%%": "%",
  };
  return format.replaceAll(/%./g, (directive) => {
    const text = directives[directive];
    if (text === undefined) throw new TemplateRefusal(`strftime_now: ${directive} is not supported`);
    return text;
  });
}
