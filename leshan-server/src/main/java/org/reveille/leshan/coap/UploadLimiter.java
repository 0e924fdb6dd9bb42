package org.reveille.leshan.coap;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.coap.option.BlockOption;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.Exchange;
import org.eclipse.californium.core.network.stack.AbstractLayer;
import org.eclipse.californium.core.network.stack.BlockwiseLayer;
import org.eclipse.californium.core.network.stack.KeyUri;
import org.eclipse.californium.elements.EndpointContextMatcher;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.leshan.server.registration.Registration;

/**
 * Limits the memory of block-wise uploads; a layer below Californium's {@link BlockwiseLayer}.
 *
 * <p>That layer allocates the whole body (Size1, or MAX_RESOURCE_BODY_SIZE if it is absent) at the first block and
 * keeps it for BLOCKWISE_STATUS_LIFETIME, for any sender. This layer answers an upload that exceeds a limit with 5.03
 * and Max-Age before anything is allocated. Peers without a registration have separate limits, so that they cannot use
 * the memory of registered clients, and a separate BlockwiseLayer, with smaller bodies and a shorter lifetime.
 */
final class UploadLimiter extends AbstractLayer {
    /**
     * Time for which an unregistered peer's upload is kept without another block, in seconds: within that time a lost
     * block is retransmitted three times (RFC 7252, 4.2: after 2 to 3, 6 to 9 and 14 to 21 s).
     */
    private static final int UNREGISTERED_LIFETIME_S = 30;
    /** Interval at which expired uploads are dropped, in seconds. */
    private static final int CLEANING_S = 1;

    private final Function<Request, Registration> registrations;
    private final UploadLimits limits;
    private final RefusalLog refusals;
    private final UploadBudget registered;
    private final UploadBudget unregistered;
    private final BlockwiseLayer unregisteredUploads;

    /**
     * Creates the layer.
     *
     * @param registrations returns the registration of a request's sender, or null
     * @param refusals is informed of uploads that were refused
     */
    UploadLimiter(String tag, Configuration config, EndpointContextMatcher matcher,
            Function<Request, Registration> registrations, UploadLimits limits, RefusalLog refusals) {
        this.registrations = registrations;
        this.limits = limits;
        this.refusals = refusals;
        Configuration small = new Configuration(config)
                .set(CoapConfig.MAX_RESOURCE_BODY_SIZE, limits.largestUnregistered())
                .set(CoapConfig.BLOCKWISE_STATUS_LIFETIME, UNREGISTERED_LIFETIME_S, TimeUnit.SECONDS)
                .set(CoapConfig.BLOCKWISE_STATUS_INTERVAL, CLEANING_S, TimeUnit.SECONDS);
        registered = new UploadBudget(limits.total(),
                UploadLimits.UPLOADS_PER_CLIENT * UploadLimits.cost(limits.largest()), kept(config), System::nanoTime);
        // A quarter for one address: behind a network operator's NAT many devices share one.
        unregistered = new UploadBudget(limits.totalUnregistered(),
                Math.max(limits.totalUnregistered() / 4, UploadLimits.cost(limits.largestUnregistered())),
                kept(small), System::nanoTime);
        unregisteredUploads = new BlockwiseLayer(tag + "unregistered ", false, small, matcher);
        unregisteredUploads.setUpperLayer(new AbstractLayer() {
            @Override
            public void receiveRequest(Exchange exchange, Request complete) {
                UploadLimiter.super.receiveRequest(exchange, complete);
            }
        });
        unregisteredUploads.setLowerLayer(new AbstractLayer() {
            @Override
            public void sendResponse(Exchange exchange, Response response) {
                UploadLimiter.super.sendResponse(exchange, response);
            }
        });
    }

    @Override
    public void start() {
        unregisteredUploads.setExecutor(executor);
        unregisteredUploads.start();
    }

    @Override
    public void destroy() {
        unregisteredUploads.destroy();
    }

    @Override
    public void receiveRequest(Exchange exchange, Request request) {
        BlockOption block = request.getOptions().getBlock1();
        if (block == null) {
            super.receiveRequest(exchange, request);
            return;
        }
        Integer announced = request.getOptions().getSize1();
        if (announced != null && announced == 0) {
            // Californium cannot allocate such a body: it would reset the exchange, with a stack trace in the log.
            request.getOptions().removeSize1();
        }
        Registration client = registrations.apply(request);
        UploadBudget budget = client == null ? unregistered : registered;
        KeyUri upload = KeyUri.getKey(exchange);
        if (block.isM() && !hasRoom(budget, upload, request, client)) {
            refuse(exchange, request, budget.lifetime());
            return;
        }
        if (client == null) {
            unregisteredUploads.receiveRequest(exchange, request);
        } else {
            super.receiveRequest(exchange, request);
        }
        if (!block.isM()) {
            budget.release(upload);
        }
    }

    /** Returns the number of bytes that are reserved for unfinished uploads. */
    long reserved() {
        return registered.reserved() + unregistered.reserved();
    }

    private boolean hasRoom(UploadBudget budget, KeyUri upload, Request request, Registration client) {
        if (request.getOptions().getBlock1().getNum() > 0) {
            // Californium answers 4.08 if it does not have the previous blocks, and allocates nothing in this case.
            budget.renew(upload);
            return true;
        }
        int largest = client == null ? limits.largestUnregistered() : limits.largest();
        Integer announced = request.getOptions().getSize1();
        int body = announced == null ? largest : announced;
        Object peer = client == null ? request.getSourceContext().getPeerAddress().getAddress() : client.getId();
        // Californium answers a larger one with 4.13, before it allocates anything.
        return body > largest || budget.reserve(upload, peer, UploadLimits.cost(body));
    }

    private void refuse(Exchange exchange, Request request, Duration wait) {
        refusals.refused("no room for another block-wise upload", request);
        Response response = new Response(ResponseCode.SERVICE_UNAVAILABLE, true);
        response.setDestinationContext(request.getSourceContext());
        response.getOptions().setMaxAge(wait.toSeconds());
        super.sendResponse(exchange, response);
    }

    /** Returns how long Californium keeps an upload at most: until the cleaning after its lifetime. */
    private static Duration kept(Configuration config) {
        return Duration.ofMillis(config.get(CoapConfig.BLOCKWISE_STATUS_LIFETIME, TimeUnit.MILLISECONDS)
                + config.get(CoapConfig.BLOCKWISE_STATUS_INTERVAL, TimeUnit.MILLISECONDS));
    }
}
