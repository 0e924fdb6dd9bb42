package org.reveille.leshan.server;

import java.util.List;
import java.util.Set;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.server.registration.Registration;

/** Content formats of requests whose calls name none. */
interface Formats {
    /** As the stock server: it writes TLV whatever the client registered, and has none for composites. */
    Formats STOCK = new Formats() {
        @Override
        public ContentFormat ofWrite(Registration client, LwM2mNode node) {
            return null;
        }

        @Override
        public ContentFormat ofComposite(Registration client) {
            return null;
        }
    };

    /** Those that the client's root link names (`ct`). */
    Formats REGISTERED = new Formats() {
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

        /** The other formats have the instance's id and resource only in records, each with a value. */
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

    /** Return the format of a write or create of this node; null for Leshan's own, which is TLV. */
    ContentFormat ofWrite(Registration client, LwM2mNode node);

    /** Return the format of a composite, or null for none. There are two: SenML CBOR where the client takes no JSON. */
    ContentFormat ofComposite(Registration client);
}
