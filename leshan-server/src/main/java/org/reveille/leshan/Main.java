package org.reveille.leshan;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.util.JavalinBindException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.reveille.leshan.devices.ControlApi;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.options.Bounds;
import org.reveille.leshan.options.Environment;
import org.reveille.leshan.options.SectionedHelp;
import org.reveille.leshan.options.ServerOptions;
import org.reveille.leshan.options.Suggestions;
import org.reveille.leshan.server.ServerProgram;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** The command line. Each program prints one JSON line with its ports on standard output when it is ready. */
@Command(name = "leshan-server", mixinStandardHelpOptions = true, version = "0.1.0",
        subcommands = {Main.Server.class, Main.Devices.class, Main.Both.class},
        description = "An LwM2M server with the REST API of Leshan's demo server, and real LwM2M devices for tests.")
public final class Main {
    private Main() {
    }

    public static void main(String[] arguments) {
        Signals.exitInOrder();
        System.exit(commandLine(System.getenv()).execute(arguments));
    }

    /** Returns the command line; {@code environment} has the options that are missing on it. */
    static CommandLine commandLine(Map<String, String> environment) {
        CommandLine command = new CommandLine(new Main());
        SectionedHelp.install(command);
        Environment variables = new Environment(environment);
        command.setDefaultValueProvider(variables);
        command.setExecutionStrategy(parsed -> {
            Integer helped = CommandLine.executeHelpRequest(parsed);
            if (helped != null) {
                return helped;
            }
            variables.mistake(command).ifPresent(sentence -> {
                List<CommandLine> called = parsed.asCommandLineList();
                throw new ParameterException(called.get(called.size() - 1), sentence);
            });
            return new CommandLine.RunLast().execute(parsed);
        });
        command.setParameterExceptionHandler((error, arguments) -> refuse(error.getCommandLine(), error));
        command.setExecutionExceptionHandler((error, failed, result) -> {
            if (error instanceof SettingException || error instanceof JavalinBindException) {
                return refuse(failed, error);
            }
            throw error;
        });
        return command.setCaseInsensitiveEnumValuesAllowed(true);
    }

    /** Reports a bad setting, which ends the start with one line. */
    private static int refuse(CommandLine command, Exception error) {
        command.getErr().println(sentence(error) + " (see `" + command.getCommandName() + " --help`)");
        return command.getCommandSpec().exitCodeOnInvalidInput();
    }

    private static String sentence(Exception error) {
        if (!(error instanceof UnmatchedArgumentException unmatched)) {
            return error.getMessage();
        }
        String first = unmatched.getUnmatched().get(0);
        if (first.startsWith("@")) {
            return "The settings file " + first.substring(1) + " does not exist.";
        }
        String name = first.split("=", 2)[0];
        return "Unknown option " + name + "."
                + Suggestions.sentence(name, unmatched.getCommandLine().getCommandSpec().optionsMap().keySet());
    }

    /** The command that starts only the LwM2M server. */
    @Command(name = "server", mixinStandardHelpOptions = true,
            description = "Start the LwM2M server. Ready line: {\"http\": port, \"coap\": port, \"coaps\": port}")
    static final class Server implements Callable<Integer> {
        @Mixin
        private ServerOptions options;
        @Mixin
        private ProgramLifecycle life;

        @Override
        public Integer call() throws Exception {
            Reload reload = new Reload();
            Signals.onHangUp(reload::run);
            ServerProgram server = options.start(reload);
            return life.run(ports(server), server);
        }
    }

    /** The command that starts only devices, for any LwM2M server. */
    @Command(name = "devices", mixinStandardHelpOptions = true,
            description = "Start the control API of LwM2M devices. Ready line: {\"control\": port}")
    static final class Devices implements Callable<Integer> {
        @Option(names = "--host", defaultValue = "127.0.0.1", paramLabel = "ADDRESS",
                description = "Address to bind (default: ${DEFAULT-VALUE}). The control API has no authentication.")
        private String host;
        @Option(names = "--control-port", defaultValue = "8081", paramLabel = "PORT",
                description = "Port of the control API; 0 chooses a free port (default: ${DEFAULT-VALUE}).")
        private int controlPort;
        @Option(names = "--control-name", paramLabel = "NAME", split = ",",
                description = "Further host name under which the control API may be called, besides localhost, its "
                        + "address and numeric addresses. Can be repeated.")
        private List<String> controlNames = List.of();
        @Option(names = "--server", paramLabel = "URI",
                description = "LwM2M server of devices that specify none, such as coap://127.0.0.1:5683.")
        private String server;
        @Mixin
        private ProgramLifecycle life;
        @Option(names = "--max-body", defaultValue = "131072", paramLabel = "BYTES",
                description = "Maximum size of a value, after block-wise transfer (default: ${DEFAULT-VALUE}).")
        private int maxBody;

        @Override
        public Integer call() throws Exception {
            Bounds.checkPort("--control-port", controlPort);
            ControlApi control = new ControlApi(host, controlPort, controlNames, server, maxBody);
            return life.run(Json.object().put("control", control.port()), control);
        }
    }

    /** The command that starts server and devices in one process. */
    @Command(name = "both", mixinStandardHelpOptions = true,
            description = "Start both. Ready line: {\"http\": port, \"coap\": port, \"coaps\": port, \"control\": port}")
    static final class Both implements Callable<Integer> {
        @Mixin
        private ServerOptions options;
        @Option(names = "--control-host", defaultValue = "127.0.0.1", paramLabel = "ADDRESS",
                description = "Address to bind for the control API of the devices, independently of --host. It has no "
                        + "authentication (default: ${DEFAULT-VALUE}).")
        private String controlHost;
        @Option(names = "--control-port", defaultValue = "8081", paramLabel = "PORT",
                description = "Port of the control API; 0 chooses a free port (default: ${DEFAULT-VALUE}).")
        private int controlPort;
        @Option(names = "--control-name", paramLabel = "NAME", split = ",",
                description = "Further host name under which the control API may be called, besides localhost, its "
                        + "address and numeric addresses. Can be repeated.")
        private List<String> controlNames = List.of();
        @Mixin
        private ProgramLifecycle life;

        @Override
        public Integer call() throws Exception {
            Bounds.checkPort("--control-port", controlPort);
            ServerProgram server = options.start(new Reload());
            String uri = server.coapPort() == null ? null : uri(options.coapHost(), server.coapPort());
            ControlApi control = new ControlApi(controlHost, controlPort, controlNames, uri, options.maxBody());
            return life.run(ports(server).put("control", control.port()), server, control);
        }
    }

    /** Returns the URI at which devices of this machine reach CoAP that is bound to a host. */
    static String uri(String host, int port) {
        return "coap://" + (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + port;
    }

    private static ObjectNode ports(ServerProgram server) {
        ObjectNode ports = Json.object().put("http", server.httpPort());
        if (server.coapPort() != null) {
            ports.put("coap", server.coapPort());
        }
        return server.coapsPort() == null ? ports : ports.put("coaps", server.coapsPort());
    }
}
