package org.reveille.leshan.codec;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import org.eclipse.leshan.core.util.json.JsonException;

/** Checks and adds numbers of SenML records, within the range of doubles. */
final class SenMLNumbers {
    /** Maximum digits before or after the point. A double has 309 and 324; sums of larger ones exhaust the memory. */
    private static final int MOST_DIGITS = 400;
    private static final int LONG_BITS = 63;

    private SenMLNumbers() {
    }

    /** Returns whether a number has an exponent approximately in the range of doubles. */
    static boolean isInRange(BigDecimal number) {
        return Math.abs((long) number.scale()) <= MOST_DIGITS
                && Math.abs((long) number.precision() - number.scale()) <= MOST_DIGITS;
    }

    /**
     * Checks members of a record that are numbers.
     *
     * @throws JsonException if one is not in the range of doubles
     */
    static void check(JsonNode json, String... names) throws JsonException {
        for (String name : names) {
            JsonNode number = json.path(name);
            if (number.isNumber() && !isInRange(number.decimalValue())) {
                throw new JsonException("Invalid record: '%s' is not a number in the range of doubles", name);
            }
        }
    }

    /** Returns the sum of a base value and a value, as an integer if both are integers. */
    static Number sum(BigDecimal base, BigDecimal value) {
        BigDecimal sum = base.add(value);
        if (sum.scale() > 0) {
            return sum;
        }
        BigInteger whole = sum.toBigIntegerExact();
        return whole.bitLength() <= LONG_BITS ? (Number) whole.longValueExact() : whole;
    }
}
