package org.reveille.leshan.coap;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.eclipse.californium.core.CoapExchange;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.OptionSet;
import org.eclipse.californium.core.server.resources.Resource;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.eclipse.leshan.transport.californium.LwM2mCoapResource;
import org.eclipse.leshan.transport.californium.identity.IdentityHandlerProvider;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The CoAP resource `/rd` (register, update, deregister), which answers 4.00 to parameters for which Leshan's own
 * resource fails with 5.00 and a stack trace, or which it stores unchecked. Leshan's resource handles the rest.
 *
 * <p>A lifetime of 0 is infinite (OMA object 1 v1.2, resource 1); Leshan would let it expire immediately. It is
 * replaced by {@value #INFINITE_LIFETIME_S} s, 68 years.
 */
public final class CheckedRegisterResource extends LwM2mCoapResource {
    /** Seconds; also the longest accepted lifetime. */
    public static final int INFINITE_LIFETIME_S = Integer.MAX_VALUE;

    private static final Logger LOG = LoggerFactory.getLogger(CheckedRegisterResource.class);
    private static final String NAME = "rd";
    private static final String LIFETIME = "lt";

    private final CoapResource delegate;
    private final RefusalLog refusals;

    private CheckedRegisterResource(CoapResource delegate, RefusalLog refusals) {
        super(NAME, new IdentityHandlerProvider());
        this.delegate = delegate;
        this.refusals = refusals;
        delegate.getAttributes().getResourceTypes().forEach(getAttributes()::addResourceType);
    }

    /**
     * Replaces Leshan's resource.
     *
     * @param server {@code CaliforniumServerEndpointsProvider.getCoapServer()}, once the LwM2M server is built
     */
    public static void install(CoapServer server, RefusalLog refusals) {
        Resource delegate = server.getRoot().getChild(NAME);
        server.remove(delegate);
        server.add(new CheckedRegisterResource((CoapResource) delegate, refusals));
    }

    /** Returns this resource: registrations have addresses below it. */
    @Override
    public Resource getChild(String name) {
        return this;
    }

    @Override
    public void handlePOST(CoapExchange exchange) {
        OptionSet options = exchange.advanced().getRequest().getOptions();
        Optional<String> mistake = mistake(options.getUriQueryStrings());
        if (mistake.isPresent()) {
            refuse(exchange, mistake.get());
        } else {
            replaceInfiniteLifetime(options);
            callDelegate(exchange, delegate::handlePOST);
        }
    }

    @Override
    public void handleDELETE(CoapExchange exchange) {
        callDelegate(exchange, delegate::handleDELETE);
    }

    /** Returns the error in the parameters of a registration or an update, as a sentence without their values. */
    static Optional<String> mistake(List<String> query) {
        Map<String, Optional<String>> parameters = new TreeMap<>();
        for (String parameter : query) {
            String[] parts = parameter.split("=", 2);
            parameters.put(parts[0], parts.length == 2 ? Optional.of(parts[1]) : Optional.empty());
        }
        return parameters.entrySet().stream()
                .flatMap(parameter -> mistake(parameter.getKey(), parameter.getValue().orElse(null)).stream())
                .findFirst();
    }

    /**
     * Returns the error in one parameter.
     *
     * @param value null if the parameter has none
     */
    private static Optional<String> mistake(String name, String value) {
        boolean right = switch (name) {
            case "ep" -> value != null && !value.isEmpty();
            case LIFETIME -> value != null && isLifetime(value);
            case "b" -> value == null || isBinding(value);
            case "sms" -> value != null;
            case "Q" -> value == null;
            default -> true;
        };
        return right ? Optional.empty() : Optional.of(switch (name) {
            case "ep" -> "The endpoint name (ep) must not be empty";
            case LIFETIME -> "The lifetime (lt) must be a number of seconds from 0 to " + INFINITE_LIFETIME_S;
            case "b" -> "The binding mode (b) must consist of the letters U, T, S, N and Q";
            case "sms" -> "The SMS number (sms) must have a value";
            default -> "The queue mode (Q) must not have a value";
        });
    }

    private static boolean isLifetime(String value) {
        return value.matches("[0-9]{1,10}") && Long.parseLong(value) <= INFINITE_LIFETIME_S;
    }

    private static boolean isBinding(String value) {
        try {
            BindingMode.parse(value);
            return true;
        } catch (IllegalArgumentException unknownLetter) {
            return false;
        }
    }

    private static void replaceInfiniteLifetime(OptionSet options) {
        List<String> query = List.copyOf(options.getUriQueryStrings());
        if (query.stream().anyMatch(CheckedRegisterResource::isInfinite)) {
            options.clearUriQuery();
            query.forEach(parameter -> options.addUriQuery(
                    isInfinite(parameter) ? LIFETIME + "=" + INFINITE_LIFETIME_S : parameter));
        }
    }

    private static boolean isInfinite(String parameter) {
        return parameter.matches(LIFETIME + "=0+");
    }

    private void callDelegate(CoapExchange exchange, Consumer<CoapExchange> method) {
        try {
            method.accept(exchange);
        } catch (InvalidRequestException invalid) {
            refuse(exchange, invalid.getMessage());
        } catch (RuntimeException failure) {
            LOG.debug("a registration failed", failure);
            refusals.refused("the server failed with " + failure.getClass().getSimpleName(),
                    exchange.advanced().getRequest());
            exchange.respond(ResponseCode.INTERNAL_SERVER_ERROR);
        }
    }

    private void refuse(CoapExchange exchange, String sentence) {
        refusals.refused("invalid registration, update or deregistration", exchange.advanced().getRequest());
        handleInvalidRequest(exchange, sentence);
    }
}
