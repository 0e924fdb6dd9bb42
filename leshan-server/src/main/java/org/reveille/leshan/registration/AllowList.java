package org.reveille.leshan.registration;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.reveille.leshan.SettingException;

/**
 * The endpoint names that may register: a file of names and patterns, one per line, in which {@code *} matches any
 * characters and {@code ?} matches one; lines that begin with {@code #} are comments.
 */
public final class AllowList {
    private static final String OPTION = "--registration-allow";

    /** Plain names, separate from patterns: a file of 100,000 names costs no more than a short one. */
    private record Names(Set<String> plain, List<Pattern> patterns) {
    }

    private final Path file;
    private volatile Names names;

    /**
     * Reads the file.
     *
     * @throws SettingException if the file cannot be read or allows nothing
     */
    public AllowList(Path file) {
        this.file = file;
        reload();
    }

    /**
     * Reads the file again. Existing registrations stay.
     *
     * @throws SettingException if it cannot be read or allows nothing; then nothing has changed
     */
    public void reload() {
        Set<String> plain = new HashSet<>();
        List<Pattern> patterns = new ArrayList<>();
        for (String line : lines()) {
            if (line.indexOf('*') < 0 && line.indexOf('?') < 0) {
                plain.add(line);
            } else {
                patterns.add(pattern(line));
            }
        }
        if (plain.isEmpty() && patterns.isEmpty()) {
            throw new SettingException(OPTION + ": there is no name in " + file + ", so no device could register.");
        }
        names = new Names(plain, patterns);
    }

    public boolean allows(String endpoint) {
        Names current = names;
        return current.plain().contains(endpoint)
                || current.patterns().stream().anyMatch(pattern -> pattern.matcher(endpoint).matches());
    }

    private List<String> lines() {
        try {
            return Files.readAllLines(file).stream().map(String::strip)
                    .filter(line -> !line.isEmpty() && !line.startsWith("#")).toList();
        } catch (IOException unreadable) {
            throw new SettingException(OPTION + ": cannot read " + file);
        }
    }

    private static Pattern pattern(String line) {
        String regex = line.codePoints().mapToObj(c -> switch (c) {
            case '*' -> ".*";
            case '?' -> ".";
            default -> Pattern.quote(Character.toString(c));
        }).collect(Collectors.joining());
        return Pattern.compile(regex.replaceAll("(\\.\\*)+", ".*"), Pattern.DOTALL);
    }
}
