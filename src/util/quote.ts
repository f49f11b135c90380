/** A name from a file, safe to print: quoted, control characters escaped, cut (visibly) after 120 characters. */
export function quote(name: string): string {
  const shown = name.length > 120 ? `${name.slice(0, 120)}…` : name;
  return JSON.stringify(shown);
}
