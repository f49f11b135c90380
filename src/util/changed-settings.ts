import { isDeepStrictEqual } from "node:util";
import { faultList } from "./fault-list.ts";

type Settings = Readonly<Record<string, unknown>>;

const SHOWN = 120;

/** What differs between the settings that something was begun with, which a file says, and those of now, one line a field. */
export function changedSettings(found: Settings, wanted: Settings): readonly string[] {
  return faultList(
    [...new Set([...Object.keys(wanted), ...Object.keys(found)])]
      .map((key) => ({ key, before: own(found, key), now: own(wanted, key) }))
      .filter(({ before, now }) => !isDeepStrictEqual(before, now))
      .map(({ key, before, now }) => `${cut(key)}: begun with ${shown(before)}, now ${shown(now)}`),
  );
}

/** A file may call a field `toString`. */
function own(settings: Settings, key: string): unknown {
  return Object.hasOwn(settings, key) ? settings[key] : undefined;
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : cut(JSON.stringify(value));
}

/** A file may hold anything of any length. */
function cut(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
