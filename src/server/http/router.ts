import type { Context, Hono } from "hono";
import type { Tenant } from "../access/tokens.ts";

/** What the gate hands on to the routes. */
export interface Passage {
  readonly tenant: Tenant;
}

export interface RouteTypes {
  Bindings: Passage;
}

export type Router = Hono<RouteTypes>;
export type RouteContext<Path extends string = string> = Context<RouteTypes, Path>;
