const SHOWN = 50;

/** Faults for an error message: the first 50, and how many more there are. */
export function faultList(faults: readonly string[]): readonly string[] {
  if (faults.length <= SHOWN) return faults;
  return [...faults.slice(0, SHOWN), `… and ${faults.length - SHOWN} more`];
}
