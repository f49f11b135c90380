import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";

/** A way through the network that can be cut. */
export interface TcpProxy {
  readonly url: string;
  /** Bytes vanish in both directions, without a sign, as when a cable is pulled; new connections are taken and hear nothing. */
  cut(): void;
  /** Mends it: what was in flight is lost, old connections break. */
  mend(): void;
  close(): void;
}

export async function startProxy(port: number): Promise<TcpProxy> {
  let open = true;
  const sockets = new Set<Socket>();
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((near) => {
    sockets.add(near);
    near.on("close", () => sockets.delete(near)).on("error", () => undefined);
    if (!open) {
      near.resume();
      return;
    }
    const far = createConnection({ host: "127.0.0.1", port });
    sockets.add(far);
    far.on("close", () => sockets.delete(far)).on("error", () => undefined);
    near.on("data", (bytes) => open && far.write(bytes)).on("close", () => far.destroy());
    far.on("data", (bytes) => open && near.write(bytes)).on("close", () => open && near.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const own = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `redis://127.0.0.1:${own}`,
    cut: () => {
      open = false;
    },
    mend: () => {
      open = true;
      drop();
    },
    close: () => {
      drop();
      server.close();
    },
  };
}
