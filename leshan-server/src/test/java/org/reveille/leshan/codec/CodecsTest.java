package org.reveille.leshan.codec;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.upokecenter.cbor.CBORObject;
import com.upokecenter.numbers.EDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.node.codec.LwM2mDecoder;
import org.eclipse.leshan.core.node.codec.LwM2mEncoder;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.util.datatype.ULong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.reveille.leshan.ObjectModels;

class CodecsTest {
    private static final LwM2mModel MODEL = ObjectModels.newest();
    private static final LwM2mPath UNSIGNED = new LwM2mPath("/3442/0/125");
    private static final LwM2mPath UNSIGNEDS = new LwM2mPath("/3442/0/1125");
    private static final LwM2mPath INTEGER = new LwM2mPath("/3442/0/120");
    private static final LwM2mPath FLOAT = new LwM2mPath("/3442/0/130");
    private static final LwM2mPath TIME = new LwM2mPath("/3442/0/160");
    private static final LwM2mPath LINK = new LwM2mPath("/3442/0/170");

    private final LwM2mDecoder decoder = Codecs.decoder();
    private final LwM2mEncoder encoder = Codecs.encoder();

    @ParameterizedTest
    @CsvSource({"00,0", "7f,127", "80,128", "ff,255", "7fff,32767", "8000,32768", "ffff,65535", "80000000,2147483648",
        "ffffffff,4294967295", "00000000ffffffff,4294967295", "8000000000000000,9223372036854775808",
        "ffffffffffffffff,18446744073709551615", "ffffff,16777215"})
    void unsignedIntegersOfAnyLengthHaveNoSign(String bytes, String value) {
        byte[] raw = HexFormat.of().parseHex(bytes);
        byte[] tlv = concat(0xc8, 125, raw.length, raw);
        assertEquals(ULong.valueOf(value), single(tlv, ContentFormat.TLV, UNSIGNED));
        byte[] instance = concat(0x48, 3, raw.length, raw);
        LwM2mResource multiple = (LwM2mResource) decode(
                concat(0xa8, 0x04, 0x65, concat(instance.length, instance)), ContentFormat.TLV, UNSIGNEDS);
        assertEquals(ULong.valueOf(value), multiple.getInstance(3).getValue());
        LwM2mResourceInstance one = (LwM2mResourceInstance) decode(instance, ContentFormat.TLV, UNSIGNEDS.append(3));
        assertEquals(ULong.valueOf(value), one.getValue());
        LwM2mObject object = (LwM2mObject) decode(
                concat(0x08, 0, tlv.length, tlv), ContentFormat.TLV, new LwM2mPath(3442));
        assertEquals(ULong.valueOf(value), object.getInstance(0).getResource(125).getValue());
    }

    @Test
    void signedIntegersKeepTheirSign() {
        assertEquals(-1L, single(concat(0xc1, 120, new byte[] {-1}), ContentFormat.TLV, INTEGER));
    }

    @Test
    void unsignedIntegersOfAnySizeSurviveTlv() {
        for (ULong value : unsigned()) {
            LwM2mResource single = LwM2mSingleResource.newUnsignedIntegerResource(125, value);
            LwM2mResource multiple = LwM2mMultipleResource.newUnsignedIntegerResource(1125, Map.of(0, value, 7, value));
            for (LwM2mEncoder each : List.of(encoder, Codecs.deviceEncoder(false), Codecs.deviceEncoder(true))) {
                assertComesBack(each, single, UNSIGNED);
                assertComesBack(each, multiple, UNSIGNEDS);
                assertComesBack(each, multiple.getInstance(7), UNSIGNEDS.append(7));
                LwM2mObjectInstance instance = new LwM2mObjectInstance(0, List.of(single, multiple));
                assertComesBack(each, instance, new LwM2mPath(3442, 0));
                assertComesBack(each, new LwM2mObject(3442, instance), new LwM2mPath(3442));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"255,00ff", "65535,0000ffff", "18446744073709551615,ffffffffffffffff", "127,7f",
        "18446744071562067968,ffffffff80000000"})
    void unsignedIntegersReadTheSameWithASign(String value, String bytes) {
        byte[] tlv = encoder.encode(LwM2mSingleResource.newUnsignedIntegerResource(125, ULong.valueOf(value)),
                ContentFormat.TLV, null, UNSIGNED, MODEL);
        assertEquals(bytes, HexFormat.of().formatHex(tlv, tlv.length - bytes.length() / 2, tlv.length));
    }

    @Test
    void aDeviceCanWriteUnsignedIntegersInTheFewestBytes() {
        byte[] tlv = Codecs.deviceEncoder(true).encode(
                LwM2mSingleResource.newUnsignedIntegerResource(125, ULong.valueOf(255)), ContentFormat.TLV, null,
                UNSIGNED, MODEL);
        assertArrayEquals(concat(0xc1, 125, new byte[] {-1}), tlv);
    }

    @Test
    void unsignedIntegersOfAnUnknownObjectAreEncodedInFull() {
        ULong value = ULong.valueOf("18446744073709551615");
        byte[] tlv = encoder.encode(LwM2mSingleResource.newUnsignedIntegerResource(1, value), ContentFormat.TLV, null,
                new LwM2mPath("/31024/0/1"), MODEL);
        assertEquals("c80108ffffffffffffffff", HexFormat.of().formatHex(tlv));
    }

    @Test
    void aBaseValueIsAdded() {
        String pack = "[{\"bn\":\"/3442/0/\",\"bv\":20,\"n\":\"120\",\"v\":5},{\"n\":\"130\",\"v\":1.5},"
                + "{\"n\":\"125\"},{\"n\":\"110\",\"vs\":\"x\"},{\"bv\":-1.25,\"n\":\"1130/0\",\"v\":1}]";
        LwM2mObjectInstance instance = (LwM2mObjectInstance) decode(
                utf8(pack), ContentFormat.SENML_JSON, new LwM2mPath(3442, 0));
        assertBased(instance);
        CBORObject cbor = CBORObject.NewArray()
                .Add(CBORObject.NewMap().Add(-2, "/3442/0/").Add(-5, 20).Add(0, "120").Add(2, 5))
                .Add(CBORObject.NewMap().Add(0, "130").Add(2, 1.5))
                .Add(CBORObject.NewMap().Add(0, "125"))
                .Add(CBORObject.NewMap().Add(0, "110").Add(3, "x"))
                .Add(CBORObject.NewMap().Add(-5, -1.25).Add(0, "1130/0").Add(2, 1));
        assertBased((LwM2mObjectInstance) decode(
                cbor.EncodeToBytes(), ContentFormat.SENML_CBOR, new LwM2mPath(3442, 0)));
    }

    private static void assertBased(LwM2mObjectInstance instance) {
        assertEquals(25L, instance.getResource(120).getValue());
        assertEquals(21.5, instance.getResource(130).getValue());
        assertEquals(ULong.valueOf(20), instance.getResource(125).getValue());
        assertEquals("x", instance.getResource(110).getValue());
        assertEquals(-0.25, instance.getResource(1130).getInstance(0).getValue());
    }

    @Test
    void aBaseValueEndsWithItsPack() {
        decode(utf8("[{\"bn\":\"/3442/0/120\",\"bv\":20,\"v\":5}]"), ContentFormat.SENML_JSON, INTEGER);
        assertEquals(5L, single(utf8("[{\"bn\":\"/3442/0/120\",\"v\":5}]"), ContentFormat.SENML_JSON, INTEGER));
        assertThrows(UnreadableContentException.class, () ->
                decode(utf8("[{\"bn\":\"/3442/0/120\"}]"), ContentFormat.SENML_JSON, INTEGER));
    }

    @Test
    void aNumberOfSenMlCborIsDecodedToItsValue() {
        assertEquals(25.0, cbor(FLOAT, CBORObject.FromObject(25)));
        assertEquals(25.0, cbor(FLOAT, CBORObject.FromObject(25.0)));
        assertEquals(25L, cbor(INTEGER, CBORObject.FromObject(25.0)));
        assertEquals(new Date(1_700_000_000_000L), cbor(TIME, CBORObject.FromObject(1.7e9)));
        assertThrows(UnreadableContentException.class, () -> cbor(INTEGER, CBORObject.FromObject(25.5)));
        for (String decimal : List.of("20.4", "20.5", "20.0", "20.25", "-0.125", "0")) {
            CBORObject fraction = CBORObject.FromObject(EDecimal.FromString(decimal));
            assertEquals(Double.valueOf(decimal), cbor(FLOAT, fraction), decimal);
        }
        // 5 * 2^-1, a big float
        CBORObject binary = CBORObject.FromObjectAndTag(CBORObject.NewArray().Add(-1).Add(5), 5);
        assertEquals(2.5, cbor(FLOAT, binary));
    }

    @Test
    void aTimeThatADoubleHoldsIsRead() {
        for (String seconds : List.of("1700000000", "1700000000.5", "1700000000.123")) {
            byte[] content = CBORObject.NewArray().Add(CBORObject.NewMap().Add(-2, "/3442/0/120").Add(2, 5)
                    .Add(6, CBORObject.FromObject(EDecimal.FromString(seconds)))).EncodeToBytes();
            Instant time = decoder.decodeTimestampedData(content, ContentFormat.SENML_CBOR, null, INTEGER, MODEL)
                    .get(0).getTimestamp();
            assertEquals((long) (Double.parseDouble(seconds) * 1000), time.toEpochMilli());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"v\":1e401", "\"v\":1e-401", "\"bv\":1e401,\"v\":1", "\"bt\":1e401,\"v\":1",
        "\"t\":1e401,\"v\":1", "\"bv\":\"1\",\"v\":1"})
    void aNumberFarBeyondADoubleIsRefused(String fields) {
        byte[] content = utf8("[{\"bn\":\"/3442/0/125\"," + fields + "}]");
        UnreadableContentException refused = assertThrows(UnreadableContentException.class, () ->
                decoder.decodeTimestampedData(content, ContentFormat.SENML_JSON, null, UNSIGNED, MODEL));
        assertArrayEquals(content, refused.content());
        assertEquals(110, refused.format());
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"bn\":\"/3442/0/125\",\"e\":[{\"v\":1e401}]}",
        "{\"bn\":\"/3442/0/125\",\"bt\":1e401,\"e\":[{\"v\":1}]}",
        "{\"bn\":\"/3442/0/125\",\"e\":[{\"t\":1e401,\"v\":1}]}"})
    void aNumberFarBeyondADoubleIsRefusedInTheOldJson(String json) {
        assertEquals(ULong.valueOf(1), single(
                utf8("{\"bn\":\"/3442/0/125\",\"e\":[{\"v\":1}]}"), ContentFormat.JSON, UNSIGNED));
        assertThrows(UnreadableContentException.class, () ->
                decoder.decodeTimestampedData(utf8(json), ContentFormat.JSON, null, UNSIGNED, MODEL));
    }

    @Test
    void aDecimalFractionFarBeyondADoubleIsRefused() {
        CBORObject fraction = CBORObject.FromObjectAndTag(CBORObject.NewArray().Add(1_301).Add(1), 4);
        assertThrows(UnreadableContentException.class, () -> cbor(UNSIGNED, fraction));
    }

    @ParameterizedTest
    @EnumSource
    void objectLinksAreVlo(SenMl format) {
        LwM2mResource link = LwM2mSingleResource.newObjectLinkResource(170, new ObjectLink(3, 0));
        LwM2mResource text = LwM2mSingleResource.newStringResource(110, "3:0");
        byte[] single = encoder.encode(link, format.format, null, LINK, MODEL);
        assertEquals("3:0", format.fields(single, 0).get("vlo"));
        LwM2mObjectInstance instance = new LwM2mObjectInstance(0, List.of(link, text));
        byte[] both = encoder.encode(instance, format.format, null, new LwM2mPath(3442, 0), MODEL);
        assertEquals(instance, decode(both, format.format, new LwM2mPath(3442, 0)));
        assertEquals(1, format.count(both, "vlo"));
        byte[] composite = encoder.encodeNodes(Map.of(LINK, link, new LwM2mPath("/3442/0/110"), text), format.format,
                null, MODEL);
        assertEquals(1, format.count(composite, "vlo"));
        assertEquals(Map.of(LINK, link), decoder.decodeNodes(single, format.format, null, List.of(LINK), MODEL));
    }

    @Test
    void undecodableContentOfAnyFormatIsOneException() {
        for (ContentFormat format : decoder.getSupportedContentFormat()) {
            byte[] content = {(byte) 0xff, 0x00, 0x7f};
            UnreadableContentException refused = assertThrows(UnreadableContentException.class,
                    () -> decode(content, format, TIME), format.toString());
            assertArrayEquals(content, refused.content());
            assertEquals(format.getCode(), refused.format());
        }
        // A link of five bytes, and an integer of none: Leshan throws other exceptions for these.
        assertThrows(UnreadableContentException.class, () ->
                decode(concat(0xc5, 170, new byte[5]), ContentFormat.TLV, LINK));
        assertThrows(UnreadableContentException.class, () ->
                decode(concat(0xc0, 120, new byte[0]), ContentFormat.TLV, INTEGER));
        assertThrows(UnreadableContentException.class, () ->
                decode(concat(0xc0, 125, new byte[0]), ContentFormat.TLV, UNSIGNED));
        assertThrows(UnreadableContentException.class, () -> decode(new byte[0], null, INTEGER));
    }

    @Test
    void tlvIsNestedNoDeeperThanLwM2m() {
        byte[] value = concat(0x41, 0, new byte[] {1});
        byte[] resource = concat(0x80 + value.length, 120, value);
        byte[] instance = concat(0x00 + resource.length, 0, resource);
        decode(instance, ContentFormat.TLV, new LwM2mPath(3442));
        byte[] deeper = concat(0x08, 0, instance.length, instance);
        UnreadableContentException refused = assertThrows(UnreadableContentException.class, () ->
                decode(deeper, ContentFormat.TLV, new LwM2mPath(3442)));
        assertTrue(refused.getMessage().contains("nested"), refused.getMessage());
    }

    /** Both sides of every boundary at which the number of bytes or the sign of an encoding changes. */
    private static List<ULong> unsigned() {
        List<ULong> values = new ArrayList<>();
        for (int bit = 0; bit < Long.SIZE; bit++) {
            for (long more = -1; more <= 1; more++) {
                values.add(ULong.valueOf((1L << bit) + more));
                values.add(ULong.valueOf(-(1L << bit) + more));
            }
        }
        return values;
    }

    private void assertComesBack(LwM2mEncoder each, LwM2mNode node, LwM2mPath path) {
        byte[] tlv = each.encode(node, ContentFormat.TLV, null, path, MODEL);
        assertEquals(node, decode(tlv, ContentFormat.TLV, path));
    }

    private LwM2mNode decode(byte[] content, ContentFormat format, LwM2mPath path) {
        return decoder.decode(content, format, null, path, MODEL);
    }

    private Object single(byte[] content, ContentFormat format, LwM2mPath path) {
        return ((LwM2mResource) decode(content, format, path)).getValue();
    }

    private Object cbor(LwM2mPath path, CBORObject value) {
        CBORObject pack = CBORObject.NewArray().Add(CBORObject.NewMap().Add(-2, path.toString()).Add(2, value));
        return single(pack.EncodeToBytes(), ContentFormat.SENML_CBOR, path);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] concat(int first, int second, int third, byte[] rest) {
        return concat(first, second, concat(third, rest));
    }

    private static byte[] concat(int first, int second, byte[] rest) {
        return concat(first, concat(second, rest));
    }

    private static byte[] concat(int first, byte[] rest) {
        byte[] all = new byte[rest.length + 1];
        all[0] = (byte) first;
        System.arraycopy(rest, 0, all, 1, rest.length);
        return all;
    }

    /** The two SenML formats, with the records of a pack. */
    private enum SenMl {
        JSON(ContentFormat.SENML_JSON), CBOR(ContentFormat.SENML_CBOR);

        private final ContentFormat format;

        SenMl(ContentFormat format) {
            this.format = format;
        }

        private CBORObject pack(byte[] content) {
            return this == JSON ? CBORObject.FromJSONBytes(content) : CBORObject.DecodeFromBytes(content);
        }

        Map<String, String> fields(byte[] content, int record) {
            CBORObject link = pack(content).get(record).get("vlo");
            return link == null ? Map.of() : Map.of("vlo", link.AsString());
        }

        long count(byte[] content, String field) {
            return pack(content).getValues().stream().filter(record -> record.ContainsKey(field)).count();
        }
    }
}
