import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { createApi } from "./api/api.ts";
import { storedToken } from "./api/token.ts";
import type { List, ModelFacts } from "./api/types.ts";
import { Failure } from "./parts/failure.tsx";
import { LINKS, type Route, useRoute } from "./route.ts";
import { type Draft, type KnownDocument, type Session, SessionContext } from "./session.ts";
import { ContextView } from "./views/context.tsx";
import { ContextsView } from "./views/contexts.tsx";
import { NewView } from "./views/new.tsx";
import { RunView } from "./views/run.tsx";
import { RunsView } from "./views/runs.tsx";
import { TokenForm } from "./views/token-form.tsx";

/** Signed out: the server wants a token. Otherwise what it told of its model, or why it told nothing. */
type State =
  | { readonly kind: "loading" }
  | { readonly kind: "signed-out"; readonly refused: boolean }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "ready"; readonly model: ModelFacts };

export function App() {
  const route = useRoute();
  const [state, setState] = useState<State>({ kind: "loading" });
  const [documents, setDocuments] = useState<ReadonlyMap<string, KnownDocument>>(new Map());
  const [draft, setDraft] = useState<Draft>({ name: "", text: "" });
  const api = useMemo(
    () =>
      createApi(storedToken.get, () => {
        const refused = storedToken.get() !== undefined;
        storedToken.forget();
        setState({ kind: "signed-out", refused });
      }),
    [],
  );

  const start = (): void => {
    setState({ kind: "loading" });
    api.json<List<ModelFacts>>("GET", "/v1/models").then(
      ({ data: [model] }) => {
        if (model !== undefined) setState({ kind: "ready", model });
      },
      (error: unknown) => {
        if (error instanceof Error) {
          setState((now) => (now.kind === "signed-out" ? now : { kind: "failed", message: error.message }));
        }
      },
    );
  };
  useEffect(start, [api]);

  const model = state.kind === "ready" ? state.model : undefined;
  const session = useMemo<Session | undefined>(() => {
    if (model === undefined) return undefined;
    const remember = (document: KnownDocument): void => {
      setDocuments((before) => new Map(before).set(document.made.id, document));
    };
    return { api, model, documents, remember, draft, setDraft };
  }, [api, model, documents, draft]);

  return (
    <>
      <Header route={route} model={model?.id} />
      <main>
        {state.kind === "loading" && <p role="status">Asking the server…</p>}
        {state.kind === "failed" && (
          <Failure message={state.message}>
            <button type="button" onClick={start}>
              Try again
            </button>
          </Failure>
        )}
        {state.kind === "signed-out" && (
          <TokenForm
            refused={state.refused}
            onToken={(token) => {
              storedToken.set(token);
              start();
            }}
          />
        )}
        {session !== undefined && (
          <SessionContext.Provider value={session}>
            <View route={route} />
          </SessionContext.Provider>
        )}
      </main>
    </>
  );
}

const SECTIONS: readonly { readonly name: string; readonly link: string; readonly views: readonly Route["view"][] }[] =
  [
    { name: "New", link: LINKS.new, views: ["new"] },
    { name: "Contexts", link: LINKS.contexts, views: ["contexts", "context"] },
    { name: "Runs", link: LINKS.runs, views: ["runs", "run"] },
  ];

function Header({ route, model }: { readonly route: Route; readonly model: string | undefined }) {
  return (
    <header>
      <a class="brand" href={LINKS.new}>
        <img src="/icon.svg" alt="" width="22" height="22" />
        kv-distill
      </a>
      <nav aria-label="Sections">
        {SECTIONS.map(({ name, link, views }) => (
          <a key={name} href={link} aria-current={views.includes(route.view) ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      {model !== undefined && <span class="model">{model}</span>}
    </header>
  );
}

function View({ route }: { readonly route: Route }) {
  const place = useRef<HTMLDivElement>(null);
  const first = useRef(true);
  const key = "id" in route ? `${route.view}/${route.id}` : route.view;
  useEffect(() => {
    // A reader who follows a link inside the page begins at the new view's heading.
    const heading = place.current?.querySelector("h1");
    document.title = `${heading?.textContent ?? "kv-distill"} – kv-distill`;
    if (!first.current) heading?.focus();
    first.current = false;
  }, [key]);
  return (
    <div ref={place} key={key}>
      {viewOf(route)}
    </div>
  );
}

function viewOf(route: Route) {
  switch (route.view) {
    case "new":
      return <NewView />;
    case "contexts":
      return <ContextsView />;
    case "context":
      return <ContextView id={route.id} />;
    case "runs":
      return <RunsView />;
    case "run":
      return <RunView id={route.id} />;
    case "nowhere":
      return <h1 tabIndex={-1}>There is no such page</h1>;
  }
}
