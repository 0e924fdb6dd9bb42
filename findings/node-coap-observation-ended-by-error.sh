#!/usr/bin/env bash
# coap 1.5.0 (node-coap): the notification that ends an observation, 4.04 or another error, is dropped.
#
# Expected: when the observed resource is deleted, the server sends a notification with an error code and without an Observe
# option, and removes the observer (RFC 7641, 3.2 and 4.2). The client's stream ends, or emits an error or the response.
# Observed: none of these. The stream orders notifications by the Observe option and takes a missing one as 0, which is
# older than the numbers before it, so the error is dropped as if it had been overtaken. `end`, `close` and `error` never
# come, `response.code` changes without an event, and the stream stays open for ever. Where the last number was in the
# upper half of its 24 bits, 0 counts as newer, and the error comes as an ordinary datum.
# Workaround: compare `response.code` in a timer, or repeat the observe request before the resource's Max-Age has passed.
#
# Needs Node.js 20 or newer and npm; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm init -y >/dev/null
npm install --silent --no-audit --no-fund coap@1.5.0 coap-packet@1.1.1

cat >finding.js <<'JAVASCRIPT'
const dgram = require("node:dgram");
const { once } = require("node:events");
const { setTimeout: sleep } = require("node:timers/promises");
const packets = require("coap-packet");
const coap = require("coap");

// A server that answers a request for observation, notifies once, and then ends the observation by an error.
function serve(first, error) {
  const server = dgram.createSocket("udp4");
  server.on("message", async (message, from) => {
    const { code, messageId, token } = packets.parse(message);
    if (code !== "0.01") return;
    const send = (packet) => server.send(packets.generate({ token, ...packet }), from.port, from.address);
    const observe = (number) => {
      const value = Buffer.alloc(3);
      value.writeUIntBE(number, 0, 3);
      return [{ name: "Observe", value }];
    };
    send({ ack: true, messageId, code: "2.05", options: observe(first), payload: Buffer.from("1") });
    await sleep(100);
    send({ messageId: 1, code: "2.05", options: observe(first + 1), payload: Buffer.from("2") });
    await sleep(100);
    send({ confirmable: true, messageId: 2, code: error, payload: Buffer.from("over") });
  });
  return server.bind(0, "127.0.0.1");
}

async function observe(first, error) {
  const server = serve(first, error);
  await once(server, "listening");
  const request = coap.request({ hostname: "127.0.0.1", port: server.address().port, pathname: "/value", observe: true });
  const responded = once(request, "response");
  request.end();
  const [response] = await responded;
  const seen = [];
  response.on("data", (payload) => seen.push(`data ${payload}`));
  for (const event of ["end", "close", "error"]) response.on(event, () => seen.push(event));
  await sleep(2000);
  console.log(`from number ${first}: ${seen.join(", ")}; code ${response.code}, readable ${response.readable}`);
  server.close();
}

(async () => {
  await observe(10, "4.04");
  await observe(10, "5.03");
  await observe(0xf00000, "4.04");
  process.exit(0);
})();
JAVASCRIPT

node finding.js | tee seen
cat >expected <<'TEXT'
from number 10: data 1, data 2; code 4.04, readable true
from number 10: data 1, data 2; code 5.03, readable true
from number 15728640: data 1, data 2, data over; code 4.04, readable true
TEXT
diff expected seen && echo "As found: the error that ends an observation is not delivered."
