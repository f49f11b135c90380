import { useState } from "preact/hooks";

export interface TokenFormProps {
  /** The last token was wrong. */
  readonly refused: boolean;
  readonly onToken: (token: string) => void;
}

/** Asks for the token that the server wants. */
export function TokenForm({ refused, onToken }: TokenFormProps) {
  const [token, setToken] = useState("");
  return (
    <form
      class="card narrow"
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim() !== "") onToken(token.trim());
      }}
    >
      <h1>This server needs a token</h1>
      <label for="token">Token</label>
      <input
        id="token"
        type="password"
        autocomplete="off"
        required
        autofocus
        value={token}
        aria-describedby="token-note"
        aria-invalid={refused}
        onInput={({ currentTarget }) => {
          setToken(currentTarget.value);
        }}
      />
      {refused && (
        <p class="failure" role="alert">
          The server does not know this token.
        </p>
      )}
      <p id="token-note" class="quiet">
        Whoever runs the server has it. It is kept until this tab is closed.
      </p>
      <button type="submit" class="main">
        Go on
      </button>
    </form>
  );
}
