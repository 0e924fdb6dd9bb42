package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.ObjectModels;
import org.reveille.leshan.store.Store;

/** Tests the outbox in a Leshan server of another program. */
class ServerEventsTest {
    @TempDir
    private Path folder;
    private Store store;
    private Outbox outbox;
    private LeshanServer server;
    private CoapEndpoint device;

    /** Prevents Californium from writing its settings file into the working folder. */
    @BeforeAll
    static void configure() {
        CoapConfig.register();
        Configuration.setStandard(Configuration.createStandardWithoutFile());
    }

    @BeforeEach
    void start() throws Exception {
        store = new Store(folder.resolve("events.db"));
        outbox = new Outbox(store, new Outbox.Options("theirs", null, List.of(), null));
        Contacts contacts = new Contacts(93_000);
        CaliforniumServerEndpointsProvider endpoints =
                new CaliforniumServerEndpointsProvider.Builder(new CoapServerProtocolProvider())
                        .addEndpoint(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), Protocol.COAP).build();
        server = new LeshanServerBuilder().setEndpointsProviders(endpoints)
                .setObjectModelProvider(new VersionedModelProvider(ObjectModels.ofProgram()))
                .setClientAwakeTimeProvider(contacts).build();
        AcknowledgedSendResource.install(endpoints.getCoapServer(), ServerEvents.listen(server, outbox, contacts));
        server.start();
        device = CoapEndpoint.builder().setInetSocketAddress(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)).build();
        device.start();
    }

    @AfterEach
    void stop() throws Exception {
        device.destroy();
        server.destroy();
        outbox.close();
        store.close();
    }

    @Test
    void aSendIsWrittenBeforeItIsAcknowledged() throws Exception {
        register();
        assertEquals(ResponseCode.CHANGED, send("21.5").getCode());
        List<Event> kept = outbox.after(0);
        assertEquals(List.of("REGISTRATION", "SEND"), kept.stream().map(Event::name).toList());
        assertEquals("""
                {"ep":"dev","val":{"/3303/0/5700":{"kind":"singleResource","id":5700,"type":"FLOAT","value":"21.5"}},\
                "samples":[{"time":null,"val":{"/3303/0/5700":\
                {"kind":"singleResource","id":5700,"type":"FLOAT","value":"21.5"}}}]}""", kept.get(1).data());
    }

    @Test
    void aSendThatCannotBeWrittenIsRefused() throws Exception {
        register();
        store.close();
        assertEquals(ResponseCode.SERVICE_UNAVAILABLE, send("21.5").getCode());
    }

    @Test
    void anInvalidSendIsAnsweredAsLeshanDoes() throws Exception {
        assertEquals(ResponseCode.BAD_REQUEST, send("21.5").getCode());
        register();
        assertEquals(ResponseCode.BAD_REQUEST, post("/dp", "no SenML", MediaTypeRegistry.APPLICATION_SENML_JSON).getCode());
    }

    private void register() throws Exception {
        assertEquals(ResponseCode.CREATED,
                post("/rd?ep=dev&lt=300&lwm2m=1.1&b=U", "</3303/0>", MediaTypeRegistry.APPLICATION_LINK_FORMAT).getCode());
    }

    private CoapResponse send(String value) throws Exception {
        return post("/dp", "[{\"n\":\"/3303/0/5700\",\"v\":" + value + "}]", MediaTypeRegistry.APPLICATION_SENML_JSON);
    }

    private CoapResponse post(String path, String body, int format) throws Exception {
        int port = server.getEndpoint(Protocol.COAP).getURI().getPort();
        return new CoapClient("coap://127.0.0.1:" + port + path).setEndpoint(device).post(body, format);
    }
}
