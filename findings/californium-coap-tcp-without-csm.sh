#!/usr/bin/env bash
# Californium 3.14.0 over TCP sends no CSM: aiocoap 0.4.17 closes the connection, in both directions.
#
# Expected: a Capabilities and Settings Message is the first message of each side of a CoAP connection over TCP (RFC 8323,
# 5.3: "MUST"), so a GET works between any two implementations.
# Observed: Californium's TcpServerConnector sends nothing before its first response, and its TcpClientConnector begins with
# the request. aiocoap sends its CSM, misses the other one, and aborts: "No CSM received". Neither as a server nor as a
# client does Californium exchange one message with it; its own client just waits until its timeout. Two Californium
# endpoints understand each other, so a test with Californium on both sides does not show it.
# Workaround: UDP. Over TCP a device or a proxy that requires the CSM cannot use a server on this connector.
#
# Needs Python 3.11 or newer, Java 17 and Maven; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aiocoap==0.4.17

cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.eclipse.californium</groupId><artifactId>californium-core</artifactId><version>3.14.0</version>
    </dependency>
    <dependency>
      <groupId>org.eclipse.californium</groupId><artifactId>element-connector-tcp-netty</artifactId>
      <version>3.14.0</version>
    </dependency>
  </dependencies>
</project>
XML

cat >Finding.java <<'JAVA'
import java.net.InetSocketAddress;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.elements.Connector;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.TcpConfig;
import org.eclipse.californium.elements.tcp.netty.TcpClientConnector;
import org.eclipse.californium.elements.tcp.netty.TcpServerConnector;

public class Finding {
    static Configuration configuration;

    static CoapEndpoint endpoint(Connector connector) {
        return CoapEndpoint.builder().setConfiguration(configuration).setConnector(connector).build();
    }

    public static void main(String[] arguments) throws Exception {
        CoapConfig.register();
        TcpConfig.register();
        configuration = Configuration.createStandardWithoutFile();
        if (arguments[0].equals("server")) {
            CoapServer server = new CoapServer(configuration);
            CoapEndpoint endpoint = endpoint(new TcpServerConnector(new InetSocketAddress("127.0.0.1", 0), configuration));
            server.addEndpoint(endpoint);
            server.add(new CoapResource("greeting") {
                @Override
                public void handleGET(CoapExchange exchange) {
                    exchange.respond("hello");
                }
            });
            server.start();
            System.out.println(endpoint.getAddress().getPort());
            Thread.sleep(60_000);
        } else {
            CoapClient client = new CoapClient("coap+tcp://127.0.0.1:" + arguments[1] + "/greeting");
            client.setEndpoint(endpoint(new TcpClientConnector(configuration)));
            client.setTimeout(4000L);
            CoapResponse response = client.get();
            System.out.println(response == null ? "no response" : response.getCode() + " " + response.getResponseText());
        }
        System.exit(0);
    }
}
JAVA

cat >finding.py <<'PYTHON'
import asyncio
import logging
import socket
import sys

import aiocoap
from aiocoap import resource


class Greeting(resource.Resource):
    async def render_get(self, request):
        return aiocoap.Message(payload=b"hello")


async def serve():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = resource.Site()
    site.add_resource(["greeting"], Greeting())
    await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["tcpserver"])
    print(port, flush=True)
    await asyncio.sleep(60)


async def get(port):
    context = await aiocoap.Context.create_client_context(transports=["tcpclient"])
    request = aiocoap.Message(code=aiocoap.GET, uri=f"coap+tcp://127.0.0.1:{port}/greeting")
    try:
        response = await asyncio.wait_for(context.request(request).response, 4)
        print(response.code, response.payload.decode())
    except aiocoap.error.NetworkError:
        print("the connection is aborted")


async def listen(port):
    reader, _ = await asyncio.open_connection("127.0.0.1", int(port))
    try:
        first = await asyncio.wait_for(reader.read(64), 2)
        print("a CSM (7.01)" if first[1] == 0xE1 else first)
    except TimeoutError:
        print("nothing within 2 s")


logging.disable(logging.CRITICAL)
asyncio.run({"server": serve, "client": get, "listen": listen}[sys.argv[1]](*sys.argv[2:]))
PYTHON

mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib >/dev/null
javac -cp 'lib/*' Finding.java

californium() { exec java -cp 'lib/*:.' Finding "$@" 2>/dev/null; }
aiocoap() { exec venv/bin/python finding.py "$@" 2>/dev/null; }

: >seen
for side in californium aiocoap; do
  "$side" server >port &
  server=$!
  until [ -s port ]; do sleep 0.2; done
  echo "$side's server sends at first: $(aiocoap listen "$(cat port)")" | tee -a seen
  for client in californium aiocoap; do
    echo "GET by $client from $side: $("$client" client "$(cat port)")" | tee -a seen
  done
  kill "$server"
  wait "$server" || true
  server=
  rm port
done

cat >expected <<'TEXT'
californium's server sends at first: nothing within 2 s
GET by californium from californium: 2.05 hello
GET by aiocoap from californium: the connection is aborted
aiocoap's server sends at first: a CSM (7.01)
GET by californium from aiocoap: no response
GET by aiocoap from aiocoap: 2.05 Content hello
TEXT
diff expected seen && echo "As found: Californium's TCP connector sends no CSM."
