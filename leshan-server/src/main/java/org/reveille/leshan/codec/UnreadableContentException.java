package org.reveille.leshan.codec;

import org.eclipse.leshan.core.node.codec.CodecException;
import org.eclipse.leshan.core.request.ContentFormat;

/** A failure to decode content of a device; it contains the content. */
public final class UnreadableContentException extends CodecException {
    private static final long serialVersionUID = 1L;

    private final transient byte[] content;
    private final Integer format;

    UnreadableContentException(RuntimeException reason, byte[] content, ContentFormat format) {
        super(String.valueOf(reason.getMessage()), reason);
        this.content = content == null ? new byte[0] : content;
        this.format = format == null ? null : format.getCode();
    }

    /** Returns the undecoded content. */
    public byte[] content() {
        return content;
    }

    /** Returns the CoAP code of its content format, or null if the message had none. */
    public Integer format() {
        return format;
    }

    /** Returns the unreadable content among an exception's causes, or null. */
    public static UnreadableContentException in(Throwable error) {
        Throwable each = error;
        while (each != null && !(each instanceof UnreadableContentException)) {
            each = each.getCause();
        }
        return (UnreadableContentException) each;
    }
}
