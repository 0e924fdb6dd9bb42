/** A TCP proxy that resets all its connections on request, as a broken network does: without a closing handshake. */
import { once } from "node:events";
import { connect, createServer } from "node:net";

export async function cuttingProxy(target) {
  const { hostname, port } = new URL(target);
  const open = new Set();
  const server = createServer((near) => {
    const far = connect(port, hostname);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(target);
  url.port = server.address().port;

  function cut() {
    for (const socket of open) socket.resetAndDestroy();
  }
  function close() {
    cut();
    server.close();
  }
  return { url: url.href, cut, close };
}
