package org.reveille.leshan.server;

import io.javalin.Javalin;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import java.security.GeneralSecurityException;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import org.eclipse.californium.elements.util.SslContextUtil;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.security.Origins;
import org.reveille.leshan.server.Failure.Code;

/** The web server under the REST API: TLS, and nobody in without a token where one is needed, nor web pages. */
final class Web {
    /** How long answers that are on their way may take when the web server ends. */
    private static final long LAST_ANSWERS_MS = 2_000;

    private Web() {
    }

    /** A web server of these settings, yet without routes. */
    static Javalin create(HttpSettings settings, Consumer<JavalinConfig> more) {
        Javalin app = Javalin.create(config -> {
            config.showJavalinBanner = false;
            if (settings.identity().exists()) {
                config.jetty.addConnector((server, http) -> connector(settings, server, http));
            }
            more.accept(config);
        });
        app.before(context -> {
            if (!isHealth(context) && !settings.access().allows(context.header("Authorization"))) {
                context.header("WWW-Authenticate", "Bearer");
                refuse(context, Code.UNAUTHORIZED,
                        "Unauthorized: this server wants `Authorization: Bearer` with one of its tokens");
            } else if (settings.isOpen() && Origins.isForeign(context.header("Origin"), settings.host())) {
                refuse(context, Code.FORBIDDEN, "Forbidden: web pages may not use this server without a token");
            }
        });
        return app;
    }

    static void start(Javalin app, HttpSettings settings) {
        app.start(settings.host(), settings.port());
        // Only now: Jetty cannot end in order what never began, and would say that instead of what is wrong.
        app.jettyServer().server().setStopTimeout(LAST_ANSWERS_MS);
    }

    /** Who watches over the server need not know its token: health tells nothing of any device. */
    private static boolean isHealth(Context context) {
        // As it came: a path that climbs up to health from elsewhere may mean something else to a route.
        String path = context.req().getRequestURI();
        return OperationsApi.LIVE.equals(path) || OperationsApi.READY.equals(path);
    }

    private static void refuse(Context context, Code code, String sentence) {
        new Answers(false).give(context, HttpAnswer.refusal(code, sentence));
        context.skipRemainingHandlers();
    }

    private static ServerConnector connector(HttpSettings settings, Server server, HttpConfiguration http) {
        // The name in a certificate is the client's to check; here it may be reached under any.
        http.addCustomizer(new SecureRequestCustomizer(false));
        SslContextFactory.Server tls = new SslContextFactory.Server();
        tls.setSslContext(context(settings.identity()));
        tls.setNeedClientAuth(settings.identity().asksForCertificates());
        ServerConnector connector = new ServerConnector(server, tls, new HttpConnectionFactory(http));
        connector.setHost(settings.host());
        connector.setPort(settings.port());
        return connector;
    }

    private static SSLContext context(Identity identity) {
        try {
            TrustManager[] trust = identity.asksForCertificates()
                    ? SslContextUtil.createTrustManager("trusted", identity.trusted()) : null;
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(SslContextUtil.createKeyManager("server", identity.key(), identity.chain()), trust, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the server's certificate cannot be used: " + e.getMessage(), e);
        }
    }
}
