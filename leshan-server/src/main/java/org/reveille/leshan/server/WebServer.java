package org.reveille.leshan.server;

import io.javalin.Javalin;
import io.javalin.config.JavalinConfig;
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
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.reveille.leshan.security.Identity;

/** The web server of the REST API, and of the devices' control API. */
public final class WebServer {
    /** How long pending responses may take when the web server stops. */
    private static final long LAST_ANSWERS_MS = 2_000;

    private WebServer() {
    }

    /**
     * Returns a web server with these settings, to be started at their address.
     *
     * @param admission the first handler of every request
     * @param more adds the routes
     */
    public static Javalin create(HttpSettings settings, AdmissionHandler admission, Consumer<JavalinConfig> more) {
        return Javalin.create(config -> {
            config.startup.showJavalinBanner = false;
            config.jetty.modifyServer(server -> {
                server.insertHandler(admission);
                // Outermost: it waits for pending responses when the server stops.
                server.insertHandler(new GracefulHandler());
            });
            if (settings.identity().exists()) {
                config.jetty.addConnector((server, http) -> connector(settings, server, http));
            }
            more.accept(config);
        });
    }

    static void start(Javalin app, HttpSettings settings) {
        app.start(settings.host(), settings.port());
        // Only now: Jetty cannot stop gracefully before it has started, and would report that instead of the actual error.
        app.jettyServer().server().setStopTimeout(LAST_ANSWERS_MS);
    }

    private static ServerConnector connector(HttpSettings settings, Server server, HttpConfiguration http) {
        // The client must check the name in a certificate; the server may be reached under any name.
        http.addCustomizer(new SecureRequestCustomizer(false));
        SslContextFactory.Server tls = new SslContextFactory.Server();
        tls.setSslContext(context(settings.identity()));
        settings.identity().onChange(() -> reload(tls, settings.identity()));
        tls.setNeedClientAuth(settings.identity().requiresCertificates());
        ServerConnector connector = new ServerConnector(server, tls, new HttpConnectionFactory(http));
        connector.setHost(settings.host());
        connector.setPort(settings.port());
        return connector;
    }

    /** Reloads the certificate. New connections use it, and resume no session of the old one; open connections stay. */
    private static void reload(SslContextFactory.Server tls, Identity identity) {
        try {
            tls.reload(factory -> factory.setSslContext(context(identity)));
        } catch (Exception unusable) {
            throw new IllegalStateException("the web server's certificate cannot be used: " + unusable.getMessage(), unusable);
        }
    }

    private static SSLContext context(Identity identity) {
        try {
            TrustManager[] trust = identity.requiresCertificates()
                    ? SslContextUtil.createTrustManager("trusted", identity.trusted()) : null;
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(SslContextUtil.createKeyManager("server", identity.key(), identity.chain()), trust, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the server's certificate cannot be used: " + e.getMessage(), e);
        }
    }
}
