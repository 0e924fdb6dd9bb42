package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.coap.option.BlockOption;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.pskstore.SinglePskStore;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reveille.leshan.ObjectModels;
import org.reveille.leshan.coap.CheckedRegisterResource;
import org.reveille.leshan.coap.RefusalLog;
import org.reveille.leshan.monitoring.CoapMetrics;
import org.reveille.leshan.monitoring.Metrics;
import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.security.Identity;

/** Tests the CoAP endpoints of production mode with a CoAP client that violates the limits. */
class CoapSettingsTest {
    private static final int MAX_BODY = 65_536;
    private static final int MAX_REGISTRATION = 4_096;
    /** One address may have a quarter of the unfinished uploads of all unregistered peers. */
    private static final int UPLOADS_PER_ADDRESS = 64;
    /** Ten times the rate. */
    private static final int UNREGISTERED_RATE = 10;
    private static final byte[] KEY = {1, 2, 3, 4, 5, 6, 7, 8};

    private final ListAppender<ILoggingEvent> log = new ListAppender<>();
    private final List<CoapEndpoint> clients = new ArrayList<>();
    private LeshanServer server;
    private CoapEndpoint client;

    /** Prevents Californium from writing its settings file into the working folder. */
    @BeforeAll
    static void configure() {
        CoapConfig.register();
        DtlsConfig.register();
        Configuration.setStandard(Configuration.createStandardWithoutFile());
    }

    @BeforeEach
    void start() throws Exception {
        log.start();
        root().addAppender(log);
        Credentials credentials = new Credentials();
        credentials.add(SecurityInfo.newPreSharedKeyInfo("secure", "secure-id", KEY));
        RefusalLog refusals = new RefusalLog();
        CoapSettings settings = new CoapSettings(
                "127.0.0.1", 0, 0, Identity.NONE, credentials, MAX_BODY, MAX_REGISTRATION, UNREGISTERED_RATE,
                californium -> { });
        LeshanServerBuilder builder =
                new LeshanServerBuilder().setObjectModelProvider(new VersionedModelProvider(ObjectModels.ofProgram()));
        settings.applyTo(builder, new CoapMetrics(new Metrics()), refusals);
        server = builder.build();
        settings.limitRate(server, refusals);
        server.getEndpointsProvider().forEach(provider -> CheckedRegisterResource.install(
                ((CaliforniumServerEndpointsProvider) provider).getCoapServer(), refusals));
        CoapSettings.start(server);
        client = open(CoapEndpoint.builder().setInetSocketAddress(loopback(0)));
    }

    @AfterEach
    void stop() {
        clients.forEach(CoapEndpoint::destroy);
        server.destroy();
        root().detachAppender(log);
    }

    @Test
    void uploadsOfUnregisteredPeersAreBounded() throws Exception {
        assertUploadsAreBounded(client, Protocol.COAP);
    }

    @Test
    void uploadsOfUnregisteredPeersAreBoundedOverDtls() throws Exception {
        assertUploadsAreBounded(openSecure(), Protocol.COAPS);
    }

    @Test
    void unregisteredPeersAreDroppedAboveTheirRateAndRegisteredOnesAreNot() throws Exception {
        CoapEndpoint stranger = open(CoapEndpoint.builder().setInetSocketAddress(loopback(0)));
        String location = register("lwm2m=1.1&lt=300");
        long unanswered = 0;
        for (int i = 0; i < 30 * UNREGISTERED_RATE && unanswered == 0; i++) {
            Request request = request(Protocol.COAP, "rd/none", "");
            request.setConfirmable(false);
            unanswered += request.send(stranger).waitForResponse(300) == null ? 1 : 0;
        }
        assertEquals(1, unanswered);
        assertEquals(ResponseCode.CHANGED, post(location + "?lt=60", "").getCode());
    }

    @Test
    void anUploadOfARegisteredClientHasRoomBesideThose() throws Exception {
        register("lwm2m=1.1&lt=300");
        CoapEndpoint stranger = open(CoapEndpoint.builder().setInetSocketAddress(loopback(0)));
        for (int i = 0; i <= UPLOADS_PER_ADDRESS; i++) {
            block(stranger, Protocol.COAP, "rd/" + i, 0, true, 64);
        }
        assertEquals(ResponseCode.CONTINUE, block(client, Protocol.COAP, "dp", 0, true, 1024).getCode());
        assertEquals(ResponseCode.CONTINUE, block(client, Protocol.COAP, "dp", 1, true, 1024).getCode());
        // The whole body reaches the resource, which cannot parse it as SenML.
        assertEquals(ResponseCode.BAD_REQUEST, block(client, Protocol.COAP, "dp", 2, false, 1024).getCode());
    }

    @Test
    void uploadsOfARegisteredClientAreBoundedToo() throws Exception {
        register("lwm2m=1.1&lt=300");
        assertEquals(ResponseCode.CONTINUE, block(client, Protocol.COAP, "dp?1", 0, true, 64).getCode());
        assertEquals(ResponseCode.CONTINUE, block(client, Protocol.COAP, "dp?2", 0, true, 64).getCode());
        assertEquals(ResponseCode.SERVICE_UNAVAILABLE, block(client, Protocol.COAP, "dp?3", 0, true, 64).getCode());
    }

    @Test
    void aRegistrationOfSeveralBlocksIsAccepted() throws Exception {
        byte[] links = links(300);
        Response last = null;
        for (int from = 0; from < links.length; from += 1024) {
            int length = Math.min(1024, links.length - from);
            boolean more = from + length < links.length;
            last = send(client, blockRequest(Protocol.COAP, "rd?ep=dev&lt=300&lwm2m=1.1", from / 1024, more, 1024,
                    new String(links, from, length, StandardCharsets.UTF_8)));
            assertEquals(more ? ResponseCode.CONTINUE : ResponseCode.CREATED, last.getCode());
        }
        assertEquals(links.length / 1024, last.getOptions().getBlock1().getNum());
        assertEquals(301, registration().getObjectLinks().length);
    }

    @Test
    void aRegistrationAboveItsLimitIsTooLarge() throws Exception {
        for (int number = 0; number < MAX_REGISTRATION / 1024; number++) {
            assertEquals(ResponseCode.CONTINUE,
                    block(client, Protocol.COAP, "rd?ep=dev", number, true, 1024).getCode());
        }
        assertEquals(ResponseCode.REQUEST_ENTITY_TOO_LARGE,
                block(client, Protocol.COAP, "rd?ep=dev", MAX_REGISTRATION / 1024, true, 1024).getCode());
    }

    @ParameterizedTest
    @CsvSource({"0, CONTINUE", "4096, CONTINUE", "4097, REQUEST_ENTITY_TOO_LARGE"})
    void anAnnouncedSizeDecidesAtTheFirstBlock(int size, ResponseCode expected) throws Exception {
        Request request = blockRequest(Protocol.COAP, "rd?ep=dev", 0, true, 64, "x".repeat(64));
        request.getOptions().setSize1(size);
        assertEquals(expected, send(client, request).getCode());
    }

    @ParameterizedTest
    @ValueSource(strings = {"ep=dev&lt=abc", "ep=dev&lt=", "ep=dev&lt", "ep=dev&lt=-1", "ep=dev&lt=2147483648",
        "ep=dev&lt=9223372036854775807", "ep=dev&lt=9223372036854775808", "ep=dev&lt=1.5", "ep=dev&lt=+5",
        "ep=dev&b=X", "ep=dev&b=u", "ep=", "ep", "ep=dev&sms", "ep=dev&Q=1"})
    void anInvalidParameterIsABadRequestWithOneLineInTheLog(String query) throws Exception {
        for (int i = 0; i < 20; i++) {
            Response response = post("rd?lwm2m=1.1&" + query, "</3/0>");
            assertEquals(ResponseCode.BAD_REQUEST, response.getCode());
            assertTrue(response.getPayloadString().startsWith("The "), response.getPayloadString());
        }
        assertNull(registration());
        assertEquals(1, warnings().size(), warnings()::toString);
        assertTrue(warnings().stream().allMatch(line -> line.getThrowableProxy() == null));
    }

    @ParameterizedTest
    @ValueSource(strings = {"lt=abc", "lt=-1", "b=X", "sms", "lt=2147483648"})
    void theSameHoldsForUpdates(String query) throws Exception {
        String location = register("lwm2m=1.1&lt=300");
        assertEquals(ResponseCode.BAD_REQUEST, post(location + "?" + query, "").getCode());
        assertEquals(300, registration().getLifeTimeInSec());
    }

    @Test
    void aLifetimeOfZeroIsInfinite() throws Exception {
        String location = register("lwm2m=1.1&lt=0&b=U");
        assertTrue(registration().isAlive());
        assertEquals(Integer.MAX_VALUE, registration().getLifeTimeInSec());
        assertEquals(ResponseCode.CHANGED, post(location + "?lt=60", "").getCode());
        assertEquals(60, registration().getLifeTimeInSec());
        assertEquals(ResponseCode.CHANGED, post(location + "?lt=0", "").getCode());
        assertTrue(registration().isAlive());
    }

    @ParameterizedTest
    @ValueSource(strings = {"lt=1", "lt=2147483647", "lt=86400&b=U", "b=", "b", "lt=300&Q", "sms=491"})
    void validParametersAreAccepted(String query) throws Exception {
        register("lwm2m=1.1&" + query);
        assertNotNull(registration());
    }

    @ParameterizedTest
    @CsvSource({"1.0, CREATED", "1.1, CREATED", "1.2, PRECONDITION_FAILED"})
    void lwm2mVersionsThatAreTaken(String version, ResponseCode expected) throws Exception {
        assertEquals(expected, post("rd?ep=dev&lt=300&b=U&lwm2m=" + version, "</3/0>").getCode());
    }

    private void assertUploadsAreBounded(CoapEndpoint peer, Protocol protocol) throws Exception {
        List<ResponseCode> codes = new ArrayList<>();
        for (int i = 0; i < UPLOADS_PER_ADDRESS; i++) {
            codes.add(block(peer, protocol, "rd/" + i, 0, true, 64).getCode());
        }
        assertEquals(IntStream.range(0, UPLOADS_PER_ADDRESS).mapToObj(i -> ResponseCode.CONTINUE).toList(), codes);
        Response refused = block(peer, protocol, "rd/more", 0, true, 64);
        assertEquals(ResponseCode.SERVICE_UNAVAILABLE, refused.getCode());
        assertEquals(31, refused.getOptions().getMaxAge());
        // A finished upload makes room for another; its whole body reaches the resource, which cannot parse it as links.
        assertEquals(ResponseCode.BAD_REQUEST, block(peer, protocol, "rd/0", 1, false, 64).getCode());
        assertEquals(ResponseCode.CONTINUE, block(peer, protocol, "rd/more", 0, true, 64).getCode());
    }

    private String register(String query) throws Exception {
        Response response = post("rd?ep=dev&" + query, "</3/0>,</3303/0>");
        assertEquals(ResponseCode.CREATED, response.getCode());
        return response.getOptions().getLocationPathString();
    }

    private Registration registration() {
        return server.getRegistrationService().getByEndpoint("dev");
    }

    private Response post(String target, String body) throws Exception {
        Request request = request(Protocol.COAP, target, body);
        request.getOptions().setContentFormat(MediaTypeRegistry.APPLICATION_LINK_FORMAT);
        return send(client, request);
    }

    private Response block(CoapEndpoint peer, Protocol protocol, String target, int number, boolean more, int size)
            throws Exception {
        return send(peer, blockRequest(protocol, target, number, more, size, "x".repeat(size)));
    }

    private Request blockRequest(
            Protocol protocol, String target, int number, boolean more, int size, String content) {
        Request request = request(protocol, target, content);
        request.getOptions().setBlock1(BlockOption.size2Szx(size), more, number);
        return request;
    }

    private Request request(Protocol protocol, String target, String body) {
        Request request = Request.newPost();
        request.setURI(protocol.getUriScheme() + "://127.0.0.1:" + server.getEndpoint(protocol).getURI().getPort()
                + "/" + target);
        request.setPayload(body);
        return request;
    }

    private static Response send(CoapEndpoint peer, Request request) throws Exception {
        Response response = request.send(peer).waitForResponse(10_000);
        assertNotNull(response, () -> request + " was not answered");
        return response;
    }

    private List<ILoggingEvent> warnings() {
        return List.copyOf(log.list).stream().filter(line -> line.getLevel().isGreaterOrEqual(Level.WARN)).toList();
    }

    private static byte[] links(int instances) {
        List<String> each = IntStream.range(0, instances).mapToObj(i -> ",</3303/" + i + ">").toList();
        String all = "</3/0>" + String.join("", each);
        return all.getBytes(StandardCharsets.UTF_8);
    }

    private CoapEndpoint openSecure() throws Exception {
        DtlsConnectorConfig config = DtlsConnectorConfig.builder(Configuration.createStandardWithoutFile())
                .setAddress(loopback(0)).setPskStore(new SinglePskStore("secure-id", KEY)).build();
        return open(CoapEndpoint.builder().setConnector(new DTLSConnector(config)));
    }

    /** Sends blocks one by one, on command. */
    private CoapEndpoint open(CoapEndpoint.Builder builder) throws Exception {
        Configuration config = Configuration.createStandardWithoutFile();
        config.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 0);
        CoapEndpoint endpoint = builder.setConfiguration(config).build();
        endpoint.start();
        clients.add(endpoint);
        return endpoint;
    }

    private static InetSocketAddress loopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private static Logger root() {
        return (Logger) org.slf4j.LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    }
}
