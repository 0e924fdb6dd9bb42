package org.reveille.leshan.codec;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.function.IntPredicate;
import java.util.function.UnaryOperator;
import org.eclipse.leshan.core.node.codec.CodecException;
import org.eclipse.leshan.core.tlv.Tlv;
import org.eclipse.leshan.core.tlv.Tlv.TlvType;
import org.eclipse.leshan.core.tlv.TlvDecoder;
import org.eclipse.leshan.core.tlv.TlvEncoder;
import org.eclipse.leshan.core.tlv.TlvException;

/**
 * Rewrites unsigned integers in TLV content. They have 1, 2, 4 or 8 bytes without a sign (LwM2M Core 1.1, Appendix C);
 * Leshan 2.0.0-M18 decodes and encodes all but the longest as signed ones.
 */
final class UnsignedTlv {
    private static final int FULL = 8;
    /** An object instance contains multiple resources, and these contain resource instances. */
    private static final int DEEPEST = 3;

    private UnsignedTlv() {
    }

    /**
     * Returns the content with the values of unsigned resources changed.
     *
     * @param resource the resource whose instances the content consists of, or null
     * @param unsigned returns whether a resource is unsigned
     * @throws CodecException if the content is not TLV
     */
    static byte[] rewrite(byte[] content, Integer resource, IntPredicate unsigned, UnaryOperator<byte[]> change) {
        checkDepth(ByteBuffer.wrap(content), 1);
        try {
            Tlv[] tlvs = TlvDecoder.decode(ByteBuffer.wrap(content));
            return TlvEncoder.encode(rewrite(tlvs, resource, unsigned, change)).array();
        } catch (TlvException e) {
            throw new CodecException(e, "Unable to read TLV");
        }
    }

    /** Returns a shorter value whose first bit is set in eight bytes, and any other unchanged. */
    static byte[] full(byte[] value, byte fill) {
        if (value.length == 0 || value.length >= FULL || value[0] >= 0) {
            return value;
        }
        byte[] full = new byte[FULL];
        Arrays.fill(full, fill);
        System.arraycopy(value, 0, full, FULL - value.length, value.length);
        return full;
    }

    /** Returns a value of 1, 2, 4 or 8 bytes in the fewest of these in which it fits. */
    static byte[] shortest(byte[] value) {
        byte[] rest = value;
        while (rest.length > 1 && isZero(rest, rest.length / 2)) {
            rest = Arrays.copyOfRange(rest, rest.length / 2, rest.length);
        }
        return rest;
    }

    private static boolean isZero(byte[] value, int length) {
        for (int i = 0; i < length; i++) {
            if (value[i] != 0) {
                return false;
            }
        }
        return true;
    }

    /**
     * Refuses content that nests deeper than LwM2M does: Leshan's decoder calls itself once for each level.
     *
     * @throws CodecException if it does
     */
    static void checkDepth(ByteBuffer content, int depth) {
        while (content.remaining() > 1) {
            int type = content.get();
            content.position(Math.min(content.limit(), content.position() + ((type & 0x20) == 0 ? 1 : 2)));
            int lengthBytes = type >> 3 & 3;
            int length = lengthBytes == 0 ? type & 7 : 0;
            for (int i = 0; i < lengthBytes && content.hasRemaining(); i++) {
                length = length << 8 | content.get() & 0xff;
            }
            length = Math.min(length, content.remaining());
            // The first two bits: 00 is an object instance and 10 a multiple resource, 01 and 11 are values.
            if ((type & 0x40) == 0) {
                if (depth == DEEPEST) {
                    throw new CodecException("TLV is nested deeper than LwM2M content can be");
                }
                checkDepth(content.slice(content.position(), length), depth + 1);
            }
            content.position(content.position() + length);
        }
    }

    private static Tlv[] rewrite(Tlv[] tlvs, Integer resource, IntPredicate unsigned, UnaryOperator<byte[]> change) {
        return Arrays.stream(tlvs).map(tlv -> rewrite(tlv, resource, unsigned, change)).toArray(Tlv[]::new);
    }

    private static Tlv rewrite(Tlv tlv, Integer resource, IntPredicate unsigned, UnaryOperator<byte[]> change) {
        if (tlv.getChildren() != null) {
            Integer inner = tlv.getType() == TlvType.MULTIPLE_RESOURCE ? Integer.valueOf(tlv.getIdentifier()) : null;
            return new Tlv(tlv.getType(), rewrite(tlv.getChildren(), inner, unsigned, change), null,
                    tlv.getIdentifier());
        }
        Integer id = tlv.getType() == TlvType.RESOURCE_INSTANCE ? resource : Integer.valueOf(tlv.getIdentifier());
        return id == null || !unsigned.test(id) ? tlv
                : new Tlv(tlv.getType(), null, change.apply(tlv.getValue()), tlv.getIdentifier());
    }
}
