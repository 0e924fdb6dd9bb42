package org.reveille.leshan;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.leshan.core.model.InvalidDDFFileException;
import org.eclipse.leshan.core.model.InvalidModelException;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;

/** Object models: those which leshan-core carries, and the two of this program's `models/` folder. */
public final class Models {
    private static final String[] OWN = {"3303.xml", "3442.xml"};

    private Models() {
    }

    /** Every version of every object, for a server which meets clients of all kinds. */
    public static List<ObjectModel> allVersions() {
        return withOwn(ObjectLoader.loadAllDefault());
    }

    /** One version per object, for a client of LwM2M 1.1. */
    public static List<ObjectModel> newest() {
        return withOwn(ObjectLoader.loadDefault());
    }

    private static List<ObjectModel> withOwn(List<ObjectModel> standard) {
        List<ObjectModel> models = new ArrayList<>(standard);
        try {
            models.addAll(ObjectLoader.loadDdfResources("/models/", OWN));
        } catch (IOException | InvalidModelException | InvalidDDFFileException e) {
            throw new IllegalStateException("an object model in the jar cannot be read", e);
        }
        return models;
    }
}
