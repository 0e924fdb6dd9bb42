package org.reveille.leshan.options;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import org.reveille.leshan.ObjectModels;
import org.reveille.leshan.Reload;
import org.reveille.leshan.SettingException;
import org.reveille.leshan.events.Outbox;
import org.reveille.leshan.registration.RegistrationRules;
import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.server.HttpSettings;
import org.reveille.leshan.server.ServerProgram;
import org.reveille.leshan.store.SchemaVersion;
import org.reveille.leshan.store.Store;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options of the LwM2M server; options of one topic have a class of their own. */
public final class ServerOptions {
    /** The behavior of the server. */
    enum Mode {
        /**
         * Events are delivered reliably and requests with an id are sent at most once; no request is stored for a
         * sleeping device.
         */
        production,
        /** The behavior that was recorded from the stock demo server 2.0.0-M18; nothing is stored on disk. */
        stock
    }

    @Option(names = "--host", defaultValue = "127.0.0.1", paramLabel = "ADDRESS",
            description = "Address to bind, for HTTP and CoAP (default: ${DEFAULT-VALUE}).")
    String host;

    @Option(names = "--mode", defaultValue = "production", paramLabel = "MODE",
            description = "Behavior of the server: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Mode mode;

    @Option(names = "--name", defaultValue = "leshan", paramLabel = "NAME",
            description = "Name of this server in its events and reports (default: ${DEFAULT-VALUE}).")
    String name;

    @Option(names = "--data", defaultValue = "leshan-data", paramLabel = "FOLDER",
            description = "Folder of the state on disk in production mode; one server per folder (default: "
                    + "./${DEFAULT-VALUE}).")
    Path data;

    @Option(names = "--models", paramLabel = "FOLDER",
            description = "Folder of object definitions (*.xml) in addition to those of the Open Mobile Alliance that "
                    + "the server contains. They replace definitions of the same object and version.")
    Path models;

    @Mixin
    HttpOptions http = new HttpOptions();

    @Mixin
    CoapOptions coap = new CoapOptions();

    @Mixin
    RegistrationOptions registration = new RegistrationOptions();

    @Mixin
    LimitOptions limits = new LimitOptions();

    @Mixin
    EventOptions events = new EventOptions();

    /**
     * Starts the server that the options describe.
     *
     * @param reload receives every setting whose files can be reloaded
     * @throws SettingException if the options cannot be applied
     */
    public ServerProgram start(Reload reload) {
        limits.check();
        if (mode == Mode.stock && !registration.isEmpty()) {
            throw new SettingException("--registration-..: rules of registration need --mode production.");
        }
        HttpSettings web = http.settings(host(http.host), HttpOptions.environmentToken(), reload);
        try {
            return mode == Mode.stock ? start(web, new Credentials(), null, reload) : startProduction(web, reload);
        } catch (IOException | SQLException unusable) {
            throw new SettingException("--data: " + unusable.getMessage());
        }
    }

    private ServerProgram startProduction(HttpSettings web, Reload reload) throws IOException, SQLException {
        Outbox.Options outbox = events.outbox(name);
        RegistrationRules rules = registration.rules(name, reload);
        Store store = new Store(data.resolve("leshan.sqlite"));
        try {
            SchemaVersion.check(store);
            return start(web, new Credentials(store), new ServerProgram.Production(
                    store, limits.maxOpenCalls, Duration.ofSeconds(limits.busySeconds), outbox,
                    Duration.ofSeconds(limits.drainSeconds), rules), reload);
        } catch (IOException | SQLException | RuntimeException refused) {
            close(store);
            throw refused;
        }
    }

    private static void close(Store store) throws IOException, SQLException {
        try {
            store.close();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private ServerProgram start(HttpSettings web, Credentials credentials, ServerProgram.Production production,
            Reload reload) throws IOException {
        return new ServerProgram(new ServerProgram.Options(
                web, coap.settings(coapHost(), credentials, limits, reload), coap.awakeMillis(), name,
                models == null ? ObjectModels.ofProgram() : ObjectModels.with(models), production));
    }

    public String coapHost() {
        return host(coap.host);
    }

    public int maxBody() {
        return limits.maxBody;
    }

    private String host(String own) {
        return own == null ? host : own;
    }
}
