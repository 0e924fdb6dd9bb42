package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.config.RoutesConfig;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.queue.StaticClientAwakeTimeProvider;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.monitoring.CoapMetrics;

/** The behavior of the stock demo server: it keeps no state on disk, and stores one request for a sleeping client. */
final class StockMode implements ServerMode {
    private final EventStreams streams = new EventStreams();
    private final LeshanServer server;
    private final RequestSender sender;
    private final ObjectNode info;

    StockMode(ServerProgram.Options options, CoapMetrics coapMetrics) {
        LeshanServerBuilder builder = options.builder(new StaticClientAwakeTimeProvider(options.awakeMillis()));
        options.coap().applyTo(builder, coapMetrics);
        server = builder.build();
        new StockEvents(server, streams).listen();
        DelayedRequests delayed = new DelayedRequests(server, streams);
        // After StockEvents: UPDATED is published before the response to a request that its wake released.
        server.getRegistrationService().addListener(delayed);
        sender = new StockRequestSender(server, delayed);
        info = ServerInfo.now(options.name(), null).json("stock", Json.object(), Json.object());
    }

    @Override
    public ApiDialect dialect() {
        return ApiDialect.STOCK;
    }

    @Override
    public LeshanServer server() {
        return server;
    }

    @Override
    public EventStreams streams() {
        return streams;
    }

    @Override
    public RequestSender sender() {
        return sender;
    }

    @Override
    public CallHandler.Filter filter() {
        return (call, operation) -> operation.apply(call);
    }

    @Override
    public void addTo(CallHandler calls) {
        // The stock server has no request ids.
    }

    @Override
    public void addTo(RoutesConfig routes) {
        // The stock server has no webhook.
    }

    @Override
    public ObjectNode info() {
        return info;
    }

    @Override
    public void restore() {
        // Nothing is saved.
    }

    @Override
    public void credentialsDeleted(String endpoint) {
        // In the stock server the registration remains.
    }

    @Override
    public void drain() {
        // The stock server does not wait for open calls.
    }

    @Override
    public void close() {
        server.destroy();
    }
}
