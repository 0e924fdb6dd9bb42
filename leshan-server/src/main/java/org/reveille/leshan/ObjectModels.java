package org.reveille.leshan;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.leshan.core.LwM2m.Version;
import org.eclipse.leshan.core.model.DDFFileParser;
import org.eclipse.leshan.core.model.DefaultDDFFileValidatorFactory;
import org.eclipse.leshan.core.model.DefaultObjectModelValidator;
import org.eclipse.leshan.core.model.InvalidDDFFileException;
import org.eclipse.leshan.core.model.InvalidModelException;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ObjectModelValidator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Loads object models: the registry of the Open Mobile Alliance as of Leshan's demo server 2.0.0-M4, those of
 * leshan-core, the two of this program's `models/` folder, and an operator's own. For one object and version the later
 * source wins.
 */
public final class ObjectModels {
    private static final Logger LOG = LoggerFactory.getLogger(ObjectModels.class);
    private static final String[] OWN = {"3303.xml", "3442.xml"};
    /** Unpacked by the build. A test validates its files, so that validation at the start is unnecessary. */
    private static final String REGISTRY = "/registry/models/";

    private ObjectModels() {
    }

    /** Returns every version of every object that the program contains, for a server. */
    public static List<ObjectModel> allVersions() {
        return new ArrayList<>(byVersion(Registry.MODELS, ObjectLoader.loadAllDefault(), own()).values());
    }

    /**
     * Returns {@link #allVersions()} and the models of a folder's `*.xml`, which replace those of the same version.
     * Files are read in the order of their names. A file that Leshan's schema and model validators refuse is skipped
     * with one line in the log.
     *
     * @throws SettingException if the folder cannot be listed
     */
    public static List<ObjectModel> allVersions(Path folder) {
        DDFFileParser parser = new DDFFileParser(new DefaultDDFFileValidatorFactory());
        ObjectModelValidator validator = new DefaultObjectModelValidator();
        List<ObjectModel> models = new ArrayList<>();
        for (Path file : list(folder)) {
            try (InputStream input = Files.newInputStream(file)) {
                models.addAll(ObjectLoader.loadDdfFile(input, file.getFileName().toString(), parser, validator));
            } catch (IOException | InvalidModelException | InvalidDDFFileException | RuntimeException unusable) {
                LOG.warn("--models: {} is skipped: {}", file, reason(unusable));
            }
        }
        return new ArrayList<>(byVersion(allVersions(), models).values());
    }

    /** Returns the newest version of each object, and of leshan-core's the newest of LwM2M 1.1, for a client. */
    public static List<ObjectModel> newest() {
        Map<Integer, ObjectModel> newest = new TreeMap<>();
        byVersion(Registry.MODELS).values().forEach(model -> newest.put(model.id, model));
        ObjectLoader.loadDefault().forEach(model -> newest.put(model.id, model));
        own().forEach(model -> newest.put(model.id, model));
        return new ArrayList<>(newest.values());
    }

    private static List<ObjectModel> own() {
        try {
            return ObjectLoader.loadDdfResources("/models/", OWN);
        } catch (IOException | InvalidModelException | InvalidDDFFileException e) {
            throw new IllegalStateException("an object model in the jar cannot be read", e);
        }
    }

    /** Loads the registry once, at first use. */
    private static final class Registry {
        static final List<ObjectModel> MODELS = registry();
    }

    private static List<ObjectModel> registry() {
        try {
            URI folder = ObjectModels.class.getResource(REGISTRY).toURI();
            if (!"jar".equals(folder.getScheme())) {
                return registry(Path.of(folder));
            }
            try (FileSystem jar = FileSystems.newFileSystem(folder, Map.of())) {
                return registry(jar.getPath(REGISTRY));
            }
        } catch (IOException | URISyntaxException | InvalidDDFFileException e) {
            throw new IllegalStateException("the object registry in the jar cannot be read", e);
        }
    }

    private static List<ObjectModel> registry(Path folder) throws IOException, InvalidDDFFileException {
        List<ObjectModel> models = new ArrayList<>();
        DDFFileParser parser = new DDFFileParser();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.xml")) {
            for (Path file : files) {
                try (InputStream input = Files.newInputStream(file)) {
                    models.addAll(parser.parse(input, file.getFileName().toString()));
                }
            }
        }
        return models;
    }

    private static List<Path> list(Path folder) {
        List<Path> listed = new ArrayList<>();
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.xml")) {
            files.forEach(listed::add);
        } catch (NotDirectoryException e) {
            throw new SettingException("--models: " + folder + " is not a folder.");
        } catch (IOException e) {
            throw new SettingException("--models: cannot list " + e.getMessage() + ".");
        }
        Collections.sort(listed);
        return listed;
    }

    /** Returns models by object and version, in that order; the last one of several for one version. */
    @SafeVarargs
    private static Map<Key, ObjectModel> byVersion(Collection<ObjectModel>... sources) {
        Map<Key, ObjectModel> models = new TreeMap<>();
        for (Collection<ObjectModel> source : sources) {
            source.forEach(model -> models.put(new Key(model.id, new Version(model.version)), model));
        }
        return models;
    }

    /** Identifies a model; the order is by object, then by version. */
    private record Key(int object, Version version) implements Comparable<Key> {
        @Override
        public int compareTo(Key other) {
            return object == other.object ? version.compareTo(other.version) : Integer.compare(object, other.object);
        }
    }

    /** Returns the messages of an exception and its causes in one line. */
    private static String reason(Throwable error) {
        StringBuilder reason = new StringBuilder();
        for (Throwable each = error; each != null; each = each.getCause()) {
            String message = String.valueOf(each.getMessage()).replaceAll("\\s+", " ");
            if (reason.indexOf(message) < 0) {
                reason.append(reason.isEmpty() ? "" : ": ").append(message);
            }
        }
        return reason.toString();
    }
}
