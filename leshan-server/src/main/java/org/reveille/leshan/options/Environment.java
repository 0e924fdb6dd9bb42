package org.reveille.leshan.options;

import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Options that the command line does not name come from the environment: `--http-port` from LESHAN_SERVER_HTTP_PORT. */
public final class Environment implements IDefaultValueProvider {
    private static final String PREFIX = "LESHAN_SERVER_";

    private final Map<String, String> variables;

    public Environment(Map<String, String> variables) {
        this.variables = variables;
    }

    /** The variable that stands for an option. */
    static String variable(String option) {
        return PREFIX + option.replaceFirst("^-+", "").replace('-', '_').toUpperCase(Locale.ROOT);
    }

    @Override
    public String defaultValue(ArgSpec argument) {
        return argument instanceof OptionSpec option && !option.usageHelp() && !option.versionHelp()
                ? variables.get(variable(option.longestName())) : null;
    }
}
