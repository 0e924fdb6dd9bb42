package org.reveille.leshan.options;

import java.lang.reflect.Member;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.IHelpSectionRenderer;
import picocli.CommandLine.Model.OptionSpec;

/** Renders options under the headings of the classes that declare them, those of classes without one first. */
public final class SectionedHelp implements IHelpSectionRenderer {
    private static final String NO_HEADING = "";
    private static final int WIDTH = 110;

    private SectionedHelp() {
    }

    /** Configures a command and all of its subcommands to show their options this way. */
    public static void install(CommandLine command) {
        command.getCommandSpec().usageMessage().abbreviateSynopsis(true).width(WIDTH);
        command.getHelpSectionMap().put(CommandLine.Model.UsageMessageSpec.SECTION_KEY_OPTION_LIST, new SectionedHelp());
        command.getSubcommands().values().forEach(SectionedHelp::install);
    }

    @Override
    public String render(Help help) {
        Map<String, List<OptionSpec>> sections = new LinkedHashMap<>();
        sections.put(NO_HEADING, new ArrayList<>());
        help.commandSpec().options().stream().filter(option -> !option.hidden()).forEach(option ->
                sections.computeIfAbsent(heading(option), heading -> new ArrayList<>()).add(option));
        StringBuilder text = new StringBuilder();
        sections.forEach((heading, options) -> {
            Help.Layout layout = help.createDefaultLayout();
            layout.addOptions(options, help.parameterLabelRenderer());
            text.append(heading.isEmpty() ? "" : "\n" + heading + "\n").append(layout);
        });
        return text.toString();
    }

    private static String heading(OptionSpec option) {
        if (option.userObject() instanceof Member member) {
            Section section = member.getDeclaringClass().getAnnotation(Section.class);
            return section == null ? NO_HEADING : section.value();
        }
        return NO_HEADING;
    }
}
