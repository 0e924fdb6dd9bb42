package org.reveille.leshan.server;

import java.util.List;
import java.util.Set;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.server.registration.Registration;

/** Chooses the content formats of requests whose calls specify none. */
interface ContentFormats {
    /** The stock server's choice: TLV for writes whatever the client registered, and none for composites. */
    ContentFormats STOCK = new ContentFormats() {
        @Override
        public ContentFormat ofWrite(Registration client, LwM2mNode node) {
            return null;
        }

        @Override
        public ContentFormat ofComposite(Registration client) {
            return null;
        }
    };

    /** The formats that the client's root link lists (`ct`). */
    ContentFormats REGISTERED = new ContentFormats() {
        private static final List<ContentFormat> WRITTEN = List.of(
                ContentFormat.TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.JSON);

        @Override
        public ContentFormat ofWrite(Registration client, LwM2mNode node) {
            Set<ContentFormat> taken = client.getSupportedContentFormats();
            if (taken == null || node instanceof LwM2mObjectInstance instance && isTlvAlone(instance)) {
                return null;
            }
            return WRITTEN.stream().filter(taken::contains).findFirst().orElse(null);
        }

        /**
         * Returns whether only TLV can represent an instance. The other formats have the instance's id and resource
         * only in records, each with a value.
         */
        private boolean isTlvAlone(LwM2mObjectInstance instance) {
            return instance.getId() == LwM2mObjectInstance.UNDEFINED || instance.getResources().isEmpty()
                    || instance.getResources().values().stream()
                            .anyMatch(each -> each.isMultiInstances() && each.getInstances().isEmpty());
        }

        @Override
        public ContentFormat ofComposite(Registration client) {
            Set<ContentFormat> taken = client.getSupportedContentFormats();
            boolean onlyCbor = taken != null && taken.contains(ContentFormat.SENML_CBOR)
                    && !taken.contains(ContentFormat.SENML_JSON);
            return onlyCbor ? ContentFormat.SENML_CBOR : ContentFormat.SENML_JSON;
        }
    };

    /** Returns the format of a write or create of this node; null for Leshan's default, which is TLV. */
    ContentFormat ofWrite(Registration client, LwM2mNode node);

    /** Returns the format of a composite, or null for none. There are two: SenML CBOR if the client supports no SenML JSON. */
    ContentFormat ofComposite(Registration client);
}
