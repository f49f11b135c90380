const KEY = "kv-distill token";

/** The token that a person has put in; it is forgotten with the tab. */
export const storedToken = {
  get: (): string | undefined => sessionStorage.getItem(KEY) ?? undefined,
  set: (token: string): void => {
    sessionStorage.setItem(KEY, token);
  },
  forget: (): void => {
    sessionStorage.removeItem(KEY);
  },
};
