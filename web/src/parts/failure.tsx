import type { ComponentChildren } from "preact";

export interface FailureProps {
  readonly message: string | undefined;
  readonly children?: ComponentChildren;
}

/** What went wrong, read out at once; nothing when nothing did. */
export function Failure({ message, children }: FailureProps) {
  if (message === undefined) return null;
  return (
    <div class="failure" role="alert">
      <p>{message}</p>
      {children}
    </div>
  );
}
