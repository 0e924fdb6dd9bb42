package org.reveille.leshan.options;

import java.util.Collection;
import java.util.Comparator;

/** Suggests the known name that is most similar to a misspelled one. */
public final class Suggestions {
    /** Two names with more than one difference per this number of characters are unrelated. */
    private static final int CHARACTERS_PER_DIFFERENCE = 3;

    private Suggestions() {
    }

    /** Returns a sentence that can follow another one, or an empty text if no known name is similar. */
    public static String sentence(String unknown, Collection<String> known) {
        return known.stream().min(Comparator.comparingInt(name -> distance(unknown, name)))
                .filter(name -> distance(unknown, name) <= unknown.length() / CHARACTERS_PER_DIFFERENCE)
                .map(name -> " Did you mean " + name + "?").orElse("");
    }

    /** Returns Levenshtein's distance, in which two swapped neighbors count as one difference. */
    private static int distance(String a, String b) {
        int[][] steps = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                steps[i][j] = i == 0 || j == 0 ? i + j : Math.min(
                        steps[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1),
                        1 + Math.min(steps[i - 1][j], steps[i][j - 1]));
                if (i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1)) {
                    steps[i][j] = Math.min(steps[i][j], 1 + steps[i - 2][j - 2]);
                }
            }
        }
        return steps[a.length()][b.length()];
    }
}
