import { Hono } from "hono";
import { type Access, passGate } from "./access/gate.ts";
import { addAnswerRoutes } from "./answers/routes.ts";
import { addContextRoutes } from "./contexts/routes.ts";
import { addConversationRoutes } from "./conversations/routes.ts";
import { problemOf, problemResponse } from "./http/problem.ts";
import { Refusal } from "./http/refusal.ts";
import type { Router, RouteTypes } from "./http/router.ts";
import { addRunRoutes } from "./shared-runs/routes.ts";
import type { Service } from "./service.ts";
import { addSystemRoutes } from "./system/routes.ts";

export interface AppOptions {
  readonly service: Service;
  readonly access: Access;
}

/** The server without a socket. */
export interface App {
  /** Answers a request; never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Every route, as `METHOD PATH`. */
  readonly routes: readonly string[];
}

const HEADERS = { "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" };

/** The whole HTTP interface as one function. Nothing of a request is looked at before `passGate` has let it through. */
export function createApp({ service, access }: AppOptions): App {
  const { metrics, report } = service;
  const router: Router = new Hono<RouteTypes>();
  addSystemRoutes(router, service);
  addContextRoutes(router, service);
  addAnswerRoutes(router, service);
  addConversationRoutes(router, service);
  addRunRoutes(router, service);
  const routes = router.routes.map(({ method, path }) => `${method} ${path}`);

  const failed = (error: unknown): Response => {
    report(error);
    return problemResponse(problemOf(error));
  };
  router.notFound((c) => {
    const known = routes.filter((route) => fits(route, c.req.path)).map((route) => route.split(" ")[0] ?? "");
    if (known.length === 0) return failed(new Refusal("not-found", "there is no such path"));
    const response = failed(new Refusal("method-not-allowed", `this path takes ${known.join(", ")}`));
    response.headers.set("Allow", known.join(", "));
    return response;
  });
  router.onError((error) => failed(error));

  const answer = async (request: Request): Promise<Response> => {
    const passed = passGate(request, access);
    if (passed instanceof Response) return passed;
    const response = await router.fetch(request, { tenant: passed.tenant });
    for (const [name, value] of Object.entries(passed.headers)) response.headers.set(name, value);
    return response;
  };

  return {
    routes,
    fetch: async (request) => {
      const begun = performance.now();
      const response = await answer(request).catch(failed);
      for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
      const { pathname } = new URL(request.url);
      const route = routes.find((own) => own.startsWith(`${request.method} `) && fits(own, pathname));
      // Names of paths that do not exist come from anybody.
      const label = route?.split(" ")[1] ?? (access.page?.paths.includes(pathname) === true ? "page" : "none");
      metrics.requests.inc({
        route: label,
        method: label === "none" ? "none" : request.method,
        status: response.status,
      });
      metrics.seconds.observe({ route: label }, (performance.now() - begun) / 1000);
      return response;
    },
  };
}

/** Whether a path is one of a route's, `METHOD /fixed/:any`. */
function fits(route: string, path: string): boolean {
  const pattern = route.slice(route.indexOf(" ") + 1).split("/");
  const parts = path.split("/");
  return pattern.length === parts.length && pattern.every((part, i) => part.startsWith(":") || part === parts[i]);
}
