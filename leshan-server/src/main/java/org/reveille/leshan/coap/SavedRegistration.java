package org.reveille.leshan.coap;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.californium.core.network.serialization.UdpDataParser;
import org.eclipse.californium.core.network.serialization.UdpDataSerializer;
import org.eclipse.leshan.core.LwM2m.LwM2mVersion;
import org.eclipse.leshan.core.endpoint.DefaultEndPointUriHandler;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.LinkParseException;
import org.eclipse.leshan.core.link.lwm2m.DefaultLwM2mLinkParser;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.peer.IpPeer;
import org.eclipse.leshan.core.peer.LwM2mIdentity;
import org.eclipse.leshan.core.peer.PskIdentity;
import org.eclipse.leshan.core.peer.RpkIdentity;
import org.eclipse.leshan.core.peer.SocketIdentity;
import org.eclipse.leshan.core.peer.X509Identity;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.security.util.SecurityUtil;
import org.eclipse.leshan.server.registration.DefaultRegistrationDataExtractor;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationDataExtractor.RegistrationData;
import org.eclipse.leshan.transport.californium.ObserveUtil;
import org.eclipse.leshan.transport.californium.server.observation.ObservationSerDes;
import org.reveille.leshan.json.Json;

/** A registration with its observations, as JSON text. Leshan 2.0.0-M18 publishes no artifact that does this. */
record SavedRegistration(Registration client, List<Observation> observations) {
    private static final ObservationSerDes OBSERVATIONS =
            new ObservationSerDes(new UdpDataParser(), new UdpDataSerializer());
    private static final DefaultEndPointUriHandler URIS = new DefaultEndPointUriHandler();

    /** Writes a registration whose peer has an IP address, as every peer of a CoAP server does. */
    static String write(Registration client, Collection<Observation> observations) {
        ObjectNode json = Json.object();
        json.put("id", client.getId()).put("endpoint", client.getEndpoint());
        json.put("uri", client.getEndpointUri().toString());
        json.put("registrationDate", client.getRegistrationDate().getTime());
        json.put("lastUpdate", client.getLastUpdate().getTime());
        json.put("lifetime", client.getLifeTimeInSec()).put("version", client.getLwM2mVersion().toString());
        json.put("binding", BindingMode.toString(client.getBindingMode()));
        json.put("queueMode", client.getQueueMode()).put("sms", client.getSmsNumber());
        json.put("links", new DefaultLinkSerializer().serializeCoreLinkFormat(client.getObjectLinks()));
        json.set("peer", write((IpPeer) client.getClientTransportData()));
        json.set("attributes", write(client.getAdditionalRegistrationAttributes()));
        json.set("data", write(client.getCustomRegistrationData()));
        ArrayNode observed = json.putArray("observations");
        observations.forEach(observation -> observed.addObject()
                .put("uri", observation.getId().getEndpointUri().toString())
                .put("request", ObserveUtil.extractSerializedObservation(observation)));
        return Json.write(json);
    }

    /**
     * Parses a registration.
     *
     * @throws IOException if the text is not in the form of {@link #write}
     */
    static SavedRegistration read(String text) throws IOException {
        try {
            JsonNode json = Json.read(text);
            return new SavedRegistration(client(json), observations(json.get("observations")));
        } catch (JsonProcessingException | LinkParseException | GeneralSecurityException
                | RuntimeException unreadable) {
            throw new IOException("a saved registration is unreadable: " + unreadable.getMessage(), unreadable);
        }
    }

    private static Registration client(JsonNode json)
            throws LinkParseException, GeneralSecurityException, IOException {
        LwM2mVersion version = LwM2mVersion.get(json.get("version").asText());
        Link[] links = new DefaultLwM2mLinkParser()
                .parseCoreLinkFormat(json.get("links").asText().getBytes(StandardCharsets.UTF_8));
        RegistrationData data = new DefaultRegistrationDataExtractor().extractDataFromObjectLinks(links, version);
        return new Registration.Builder(json.get("id").asText(), json.get("endpoint").asText(), peer(json.get("peer")),
                uri(json))
                .registrationDate(new Date(json.get("registrationDate").asLong()))
                .lastUpdate(new Date(json.get("lastUpdate").asLong()))
                .lifeTimeInSec(json.get("lifetime").asLong())
                .lwM2mVersion(version)
                .bindingMode(BindingMode.parse(json.get("binding").asText()))
                .queueMode(json.get("queueMode").isNull() ? null : json.get("queueMode").asBoolean())
                .smsNumber(json.get("sms").textValue())
                .objectLinks(links)
                .rootPath(data.getAlternatePath())
                .supportedContentFormats(data.getSupportedContentFormats())
                .supportedObjects(data.getSupportedObjects())
                .availableInstances(data.getAvailableInstances())
                .additionalRegistrationAttributes(texts(json.get("attributes")))
                .customRegistrationData(texts(json.get("data")))
                .build();
    }

    private static List<Observation> observations(JsonNode json) {
        List<Observation> observations = new ArrayList<>();
        for (JsonNode each : json) {
            String request = each.get("request").asText();
            observations.add(ObserveUtil.createLwM2mObservation(uri(each), OBSERVATIONS.deserialize(request), request));
        }
        return observations;
    }

    private static ObjectNode write(IpPeer peer) {
        ObjectNode json = Json.object().put("address", peer.getSocketAddress().getAddress().getHostAddress())
                .put("port", peer.getSocketAddress().getPort());
        LwM2mIdentity identity = peer.getIdentity();
        if (identity instanceof PskIdentity psk) {
            return json.put("psk", psk.getPskIdentity());
        }
        if (identity instanceof RpkIdentity rpk) {
            return json.put("rpk", HexFormat.of().formatHex(rpk.getPublicKey().getEncoded()));
        }
        return identity instanceof X509Identity x509 ? json.put("x509", x509.getX509CommonName()) : json;
    }

    private static IpPeer peer(JsonNode json) throws IOException, GeneralSecurityException {
        // The address is numeric: no name is resolved.
        InetSocketAddress address =
                new InetSocketAddress(InetAddress.getByName(json.get("address").asText()), json.get("port").asInt());
        if (json.has("psk")) {
            return new IpPeer(address, new PskIdentity(json.get("psk").asText()));
        }
        if (json.has("rpk")) {
            byte[] key = HexFormat.of().parseHex(json.get("rpk").asText());
            return new IpPeer(address, new RpkIdentity(SecurityUtil.publicKey.decode(key)));
        }
        return new IpPeer(address, json.has("x509")
                ? new X509Identity(json.get("x509").asText()) : new SocketIdentity(address));
    }

    private static EndpointUri uri(JsonNode json) {
        return URIS.createUri(json.get("uri").asText());
    }

    private static ObjectNode write(Map<String, String> texts) {
        ObjectNode json = Json.object();
        texts.forEach(json::put);
        return json;
    }

    private static Map<String, String> texts(JsonNode json) {
        Map<String, String> texts = new TreeMap<>();
        json.fields().forEachRemaining(entry -> texts.put(entry.getKey(), entry.getValue().textValue()));
        return texts;
    }
}
