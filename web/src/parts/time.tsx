const format = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** A moment, in the reader's time. */
export function Time({ seconds }: { readonly seconds: number }) {
  const moment = new Date(seconds * 1000);
  return <time dateTime={moment.toISOString()}>{format.format(moment)}</time>;
}
