package org.reveille.leshan.codec;

import java.util.Map;
import org.eclipse.leshan.core.json.jackson.LwM2mJsonJacksonEncoderDecoder;
import org.eclipse.leshan.core.link.lwm2m.DefaultLwM2mLinkParser;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mDecoder;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mEncoder;
import org.eclipse.leshan.core.node.codec.LwM2mDecoder;
import org.eclipse.leshan.core.node.codec.LwM2mEncoder;
import org.eclipse.leshan.core.node.codec.LwM2mValueChecker;
import org.eclipse.leshan.core.node.codec.NodeDecoder;
import org.eclipse.leshan.core.node.codec.NodeEncoder;
import org.eclipse.leshan.core.node.codec.json.LwM2mNodeJsonDecoder;
import org.eclipse.leshan.core.node.codec.senml.LwM2mNodeSenMLDecoder;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.util.base64.DefaultBase64Decoder;
import org.eclipse.leshan.core.util.base64.DefaultBase64Decoder.DecoderAlphabet;
import org.eclipse.leshan.core.util.base64.DefaultBase64Decoder.DecoderPadding;
import org.eclipse.leshan.senml.cbor.upokecenter.SenMLCborUpokecenterEncoderDecoder;
import org.eclipse.leshan.senml.json.jackson.SenMLJsonJacksonEncoderDecoder;

/**
 * Creates Leshan's codecs of LwM2M content, corrected where 2.0.0-M18 is wrong: unsigned integers in TLV, SenML base
 * values, numbers in SenML CBOR and object links in SenML.
 */
public final class Codecs {
    private Codecs() {
    }

    /** Returns a decoder of device content. Its only exception is {@link UnreadableContentException}. */
    public static LwM2mDecoder decoder() {
        Map<ContentFormat, NodeDecoder> decoders = DefaultLwM2mDecoder.getDefaultNodeDecoders(false);
        decoders.put(ContentFormat.TLV, new UnsignedTlvDecoder());
        // true: an integer may be encoded as a float and a float as an integer (RFC 8428, 6).
        decoders.put(ContentFormat.SENML_JSON, new LwM2mNodeSenMLDecoder(
                pack -> new SenMLJsonJacksonEncoderDecoder(new SenMLJsonRecords()).fromSenML(pack), true));
        decoders.put(ContentFormat.SENML_CBOR, new LwM2mNodeSenMLDecoder(
                pack -> new SenMLCborUpokecenterEncoderDecoder(new SenMLCborRecords()).fromSenML(pack), true));
        decoders.put(ContentFormat.JSON, new LwM2mNodeJsonDecoder(
                new LwM2mJsonJacksonEncoderDecoder(new JsonRecords(), null), new DefaultLwM2mLinkParser(),
                new DefaultBase64Decoder(DecoderAlphabet.BASE64, DecoderPadding.REQUIRED)));
        return new ContentDecoder(decoders);
    }

    /** Returns an encoder of requests to devices. */
    public static LwM2mEncoder encoder() {
        Map<ContentFormat, NodeEncoder> encoders = DefaultLwM2mEncoder.getDefaultNodeEncoders(false);
        encoders.put(ContentFormat.TLV, new UnsignedTlvEncoder(false));
        encoders.put(ContentFormat.SENML_JSON, new LinkSenMLEncoder(new SenMLJsonJacksonEncoderDecoder()));
        encoders.put(ContentFormat.SENML_CBOR, new LinkSenMLEncoder(new SenMLCborUpokecenterEncoderDecoder()));
        return encoder(encoders);
    }

    /**
     * Returns an encoder for a test device: Leshan's own, with corrected TLV.
     *
     * @param shortUnsigned whether unsigned integers in TLV have the fewest possible bytes, 255 one
     */
    public static LwM2mEncoder deviceEncoder(boolean shortUnsigned) {
        Map<ContentFormat, NodeEncoder> encoders = DefaultLwM2mEncoder.getDefaultNodeEncoders(false);
        encoders.put(ContentFormat.TLV, new UnsignedTlvEncoder(shortUnsigned));
        return encoder(encoders);
    }

    private static LwM2mEncoder encoder(Map<ContentFormat, NodeEncoder> encoders) {
        return new DefaultLwM2mEncoder(
                encoders, DefaultLwM2mEncoder.getDefaultPathEncoder(), new LwM2mValueChecker());
    }
}
