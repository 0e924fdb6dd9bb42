package org.reveille.leshan.codec;

import com.upokecenter.cbor.CBORNumber;
import com.upokecenter.cbor.CBORObject;
import com.upokecenter.numbers.EDecimal;
import com.upokecenter.numbers.EFloat;
import com.upokecenter.numbers.EInteger;
import java.math.BigDecimal;
import org.eclipse.leshan.core.util.datatype.NumberUtil;
import org.eclipse.leshan.senml.SenMLException;
import org.eclipse.leshan.senml.cbor.upokecenter.SenMLCborPackSerDes;

/**
 * A deserializer of the records of one pack of SenML CBOR, in their order: a base value applies from its record on (RFC
 * 8428, 4.1). Decimal fractions and big floats are decoded; Leshan 2.0.0-M18 refuses those that a double represents
 * exactly.
 */
final class SenMLCborRecords extends SenMLCborPackSerDes {
    private static final int BASE_VALUE = -5;
    private static final int[] OTHER_VALUES = {3, 4, 8};
    /** Maximum exponent; 2 to this power has about 400 decimal digits. */
    private static final int MOST_BITS = 1_300;

    private BigDecimal base;

    @Override
    protected Number deserializeValue(CBORObject record) throws SenMLException {
        CBORObject baseValue = record.get(BASE_VALUE);
        if (baseValue != null) {
            base = NumberUtil.numberToBigDecimal(deserializeNumber(baseValue, "bv"));
        }
        Number value = super.deserializeValue(record);
        if (base == null || value == null && hasOtherValue(record)) {
            return value;
        }
        return SenMLNumbers.sum(base, value == null ? BigDecimal.ZERO : NumberUtil.numberToBigDecimal(value));
    }

    @Override
    protected Number deserializeNumber(CBORObject number, String field) throws SenMLException {
        Number value = number.isNumber() ? fraction(number.AsNumber()) : null;
        if (value == null) {
            value = super.deserializeNumber(number, field);
        }
        if (value instanceof BigDecimal decimal && !SenMLNumbers.isInRange(decimal)) {
            throw new SenMLException("Invalid SenML record: '%s' is not a number in the range of doubles", field);
        }
        return value;
    }

    /** Returns the value of a decimal fraction or a big float; null for every other kind. */
    private static Number fraction(CBORNumber number) throws SenMLException {
        return switch (number.getKind()) {
            case EDecimal -> {
                EDecimal decimal = number.ToEDecimal();
                check(decimal.isFinite() ? decimal.getExponent() : null);
                yield new BigDecimal(decimal.toString());
            }
            case EFloat -> {
                EFloat binary = number.ToEFloat();
                check(binary.isFinite() ? binary.getExponent() : null);
                yield new BigDecimal(binary.ToEDecimal().toString());
            }
            default -> null;
        };
    }

    private static void check(EInteger exponent) throws SenMLException {
        if (exponent == null || exponent.Abs().compareTo(MOST_BITS) > 0) {
            throw new SenMLException("Invalid SenML record: a number outside the range of doubles");
        }
    }

    private static boolean hasOtherValue(CBORObject record) {
        for (int label : OTHER_VALUES) {
            if (record.ContainsKey(label)) {
                return true;
            }
        }
        return record.ContainsKey("vlo");
    }
}
