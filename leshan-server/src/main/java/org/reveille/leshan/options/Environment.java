package org.reveille.leshan.options;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Provides options that are missing on the command line from the environment: `--http-port` from LESHAN_SERVER_HTTP_PORT. */
public final class Environment implements IDefaultValueProvider {
    private static final String PREFIX = "LESHAN_SERVER_";
    private static final String LOG_LEVEL = PREFIX + "LOG";
    private static final String LOG_FORMAT = PREFIX + "LOG_FORMAT";
    /** Variables with a fixed set of values; `logback.xml` reads them, and replaces a misspelled value by another one. */
    private static final Map<String, List<String>> CHOICES = Map.of(
            LOG_LEVEL, List.of("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"),
            LOG_FORMAT, List.of("text", "json"));
    /** Variables that correspond to no option. */
    private static final List<String> OTHERS = List.of(LOG_LEVEL, LOG_FORMAT, HttpOptions.TOKEN_VARIABLE,
            EventOptions.SECRET_VARIABLE, EventOptions.TOKEN_VARIABLE);

    private final Map<String, String> variables;

    public Environment(Map<String, String> variables) {
        this.variables = variables;
    }

    /** Returns the variable that corresponds to an option. */
    static String variable(String option) {
        return PREFIX + option.replaceFirst("^-+", "").replace('-', '_').toUpperCase(Locale.ROOT);
    }

    @Override
    public String defaultValue(ArgSpec argument) {
        return argument instanceof OptionSpec option && !option.usageHelp() && !option.versionHelp()
                ? variables.get(variable(option.longestName())) : null;
    }

    /**
     * Finds an unknown variable, or one whose value would be misunderstood. Variables of other commands are not errors:
     * server and devices may share an environment.
     *
     * @param program with the options of all of its commands
     * @return one sentence about the first one, or empty
     */
    public Optional<String> mistake(CommandLine program) {
        Set<String> known = new TreeSet<>(OTHERS);
        Stream.concat(Stream.of(program), program.getSubcommands().values().stream())
                .flatMap(command -> command.getCommandSpec().options().stream())
                .forEach(option -> known.add(variable(option.longestName())));
        return new TreeMap<>(variables).entrySet().stream().filter(entry -> entry.getKey().startsWith(PREFIX))
                .flatMap(entry -> mistake(entry.getKey(), entry.getValue(), known).stream()).findFirst();
    }

    private static Optional<String> mistake(String name, String value, Set<String> known) {
        if (!known.contains(name)) {
            return Optional.of("Unknown variable " + name + "." + Suggestions.sentence(name, known));
        }
        // Levels may be in lower case.
        String meant = LOG_LEVEL.equals(name) ? value.toUpperCase(Locale.ROOT) : value;
        List<String> choices = CHOICES.getOrDefault(name, List.of(meant));
        return choices.contains(meant) ? Optional.empty()
                : Optional.of(name + ": one of " + String.join(", ", choices) + " is expected, not '" + value + "'.");
    }
}
