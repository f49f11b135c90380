import { useEffect, useState } from "preact/hooks";

/** Which view the address names. */
export type Route =
  | { readonly view: "new" }
  | { readonly view: "contexts" }
  | { readonly view: "context"; readonly id: string }
  | { readonly view: "runs" }
  | { readonly view: "run"; readonly id: string }
  | { readonly view: "nowhere" };

export const LINKS = {
  new: "#/",
  contexts: "#/contexts",
  context: (id: string) => `#/contexts/${id}`,
  runs: "#/runs",
  run: (id: string) => `#/runs/${id}`,
};

const VIEWS = { contexts: "context", runs: "run" } as const;

/** @param hash of the address, `#/contexts/ctx_…` */
export function routeOf(hash: string): Route {
  const parts = hash.replace(/^#\/?/, "").split("/");
  const [list, id, ...rest] = parts;
  if (list === "" || list === undefined) return { view: "new" };
  if ((list !== "contexts" && list !== "runs") || rest.length > 0) return { view: "nowhere" };
  if (id === undefined || id === "") return { view: list };
  // Goes into paths of requests.
  return /^\w+$/.test(id) ? { view: VIEWS[list], id } : { view: "nowhere" };
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const follow = (): void => {
      setHash(location.hash);
    };
    addEventListener("hashchange", follow);
    return () => {
      removeEventListener("hashchange", follow);
    };
  }, []);
  return routeOf(hash);
}
