package org.reveille.leshan.codec;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import org.eclipse.leshan.core.util.base64.DefaultBase64Decoder;
import org.eclipse.leshan.core.util.base64.DefaultBase64Encoder;
import org.eclipse.leshan.core.util.json.JsonException;
import org.eclipse.leshan.senml.SenMLRecord;
import org.eclipse.leshan.senml.json.jackson.SenMLJsonRecordSerDes;

/**
 * A deserializer of the records of one pack of SenML JSON, in their order: a base value applies from its record on (RFC
 * 8428, 4.1).
 */
final class SenMLJsonRecords extends SenMLJsonRecordSerDes {
    private static final String[] OTHER_VALUES = {"vb", "vs", "vd", "vlo"};

    private BigDecimal base;

    SenMLJsonRecords() {
        super(true,
                new DefaultBase64Decoder(DefaultBase64Decoder.DecoderAlphabet.BASE64URL,
                        DefaultBase64Decoder.DecoderPadding.FORBIDEN),
                new DefaultBase64Encoder(DefaultBase64Encoder.EncoderAlphabet.BASE64URL,
                        DefaultBase64Encoder.EncoderPadding.WITHOUT));
    }

    @Override
    public SenMLRecord deserialize(JsonNode json) throws JsonException {
        SenMLNumbers.check(json, "bt", "t", "bv", "v");
        if (json.has("bv")) {
            if (!json.get("bv").isNumber()) {
                throw new JsonException("Invalid SenML record: 'bv' is not a number");
            }
            base = json.get("bv").decimalValue();
        }
        SenMLRecord record = super.deserialize(json);
        if (base != null && !hasAny(json, OTHER_VALUES)) {
            BigDecimal value = json.path("v").isNumber() ? json.get("v").decimalValue() : BigDecimal.ZERO;
            record = new SenMLRecord(record.getBaseName(), record.getBaseTime(), record.getName(), record.getTime(),
                    SenMLNumbers.sum(base, value), null, null, null, null);
        }
        if (record.getType() == null) {
            throw new JsonException("Invalid SenML record: it must have a value (v, vb, vlo, vd, vs)");
        }
        return record;
    }

    private static boolean hasAny(JsonNode json, String... names) {
        for (String name : names) {
            if (json.has(name)) {
                return true;
            }
        }
        return false;
    }
}
