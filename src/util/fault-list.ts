const SHOWN = 50;
const LONGEST = 500;

/** Faults for an error message: the first 50, and how many more there are; none longer than `shownFault` makes it. */
export function faultList(faults: readonly string[]): readonly string[] {
  const some = faults.slice(0, SHOWN).map(shownFault);
  return faults.length <= SHOWN ? some : [...some, `… and ${faults.length - SHOWN} more`];
}

/** A fault may name fields of a file or request, which are as long and as many as their writer likes: cut (visibly) after 500 characters. */
export function shownFault(fault: string): string {
  return fault.length > LONGEST ? `${fault.slice(0, LONGEST)}…` : fault;
}
