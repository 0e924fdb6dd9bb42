package org.reveille.leshan.server;

import java.time.Duration;
import java.util.function.IntConsumer;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.reveille.leshan.server.Failure.Code;

/**
 * The first handler of every HTTP request: it checks the caller, receives the body, and then assigns a thread. It
 * reserves threads for health, so that health responds while all others are busy.
 */
public final class AdmissionHandler extends Handler.Wrapper {
    /** Of the 250 threads that Javalin gives Jetty; a request that waits for the disk or a slow reader holds one. */
    private static final int MOST_THREADS = 200;
    private static final long TOTAL_BODY_BYTES = 64L << 20;
    private static final int MIN_BODIES = 8;
    private static final Duration BODY_DEADLINE = Duration.ofSeconds(30);
    private static final AnswerWriter ANSWERS = new AnswerWriter(ApiDialect.PRODUCTION);

    private final HttpSettings settings;
    private final BodyReader bodies;
    private final ThreadShare threads;
    private final IntConsumer answered;

    /**
     * Creates the handler of a server.
     *
     * @param largestBody maximum number of bytes of a body
     * @param answered receives the status of every response
     */
    public AdmissionHandler(HttpSettings settings, long largestBody, IntConsumer answered) {
        this(settings, new BodyReader(largestBody, Math.max(TOTAL_BODY_BYTES, MIN_BODIES * largestBody), BODY_DEADLINE),
                MOST_THREADS, answered);
    }

    AdmissionHandler(HttpSettings settings, BodyReader bodies, int mostThreads, IntConsumer answered) {
        this.settings = settings;
        this.bodies = bodies;
        this.answered = answered;
        this.threads = new ThreadShare(mostThreads, () -> getServer().getThreadPool());
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) {
        Request.addCompletionListener(request, failure -> answered.accept(response.getStatus()));
        HttpAnswer refusal = refusal(request);
        if (refusal != null) {
            if (refusal.failure().code() == Code.UNAUTHORIZED) {
                response.getHeaders().put("WWW-Authenticate", "Bearer");
            }
            ANSWERS.give(request, response, callback, refusal);
        } else if (isHealth(request)) {
            next(request, response, callback);
        } else {
            BodyReader.BufferedRequest complete = bodies.read(request,
                    whole -> threads.execute(() -> handle(whole, response, callback)), refused -> {
                        response.getHeaders().put("Connection", "close");
                        ANSWERS.give(request, response, callback, refused);
                    });
            if (complete != null) {
                threads.run(() -> handle(complete, response, callback));
            }
        }
        return true;
    }

    private void handle(BodyReader.BufferedRequest whole, Response response, Callback callback) {
        try {
            next((Request) whole, response, callback);
        } finally {
            whole.release();
        }
    }

    private void next(Request request, Response response, Callback callback) {
        try {
            if (!super.handle(request, response, callback)) {
                Response.writeError(request, response, callback, Code.NOT_FOUND.status());
            }
        } catch (Exception failure) {
            Response.writeError(request, response, callback, failure);
        }
    }

    private HttpAnswer refusal(Request request) {
        String authorization = request.getHeaders().get("Authorization");
        if (!isHealth(request) && !settings.access().allows(authorization)) {
            return HttpAnswer.refusal(Code.UNAUTHORIZED,
                    "Unauthorized: `Authorization: Bearer` with a token of this server is required");
        }
        String crossSite = settings.access().needsToken() ? null : crossSite(request);
        return crossSite == null ? null : HttpAnswer.refusal(Code.FORBIDDEN, "Forbidden: " + crossSite);
    }

    /**
     * Returns why a browser's request is refused, or null. A browser may send requests without its user's knowledge: it
     * has no token, but it reaches loopback and may hold a certificate.
     */
    private String crossSite(Request request) {
        // A certificate of the server proves its name already: a browser checks it before it sends anything.
        String host = settings.isOpen() ? Request.getServerName(request) : null;
        return settings.origins().refusal(
                host, request.getHeaders().get("Origin"), request.getHeaders().get("Sec-Fetch-Site"));
    }

    /** Returns whether a request is a health check, which needs no token: health exposes no data of a device. */
    private static boolean isHealth(Request request) {
        // The raw path: a path that climbs up to health from elsewhere may mean something else to a route.
        String path = request.getHttpURI().getPath();
        return MonitoringApi.LIVE.equals(path) || MonitoringApi.READY.equals(path);
    }
}
