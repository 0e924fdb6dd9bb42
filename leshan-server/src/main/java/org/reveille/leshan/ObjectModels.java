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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.eclipse.leshan.core.LwM2m.Version;
import org.eclipse.leshan.core.model.DDFFileParser;
import org.eclipse.leshan.core.model.DefaultDDFFileValidatorFactory;
import org.eclipse.leshan.core.model.DefaultObjectModelValidator;
import org.eclipse.leshan.core.model.InvalidDDFFileException;
import org.eclipse.leshan.core.model.InvalidModelException;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.LwM2mModelRepository;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ObjectModelValidator;
import org.eclipse.leshan.core.model.ResourceModel;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The object models of a server: the registry of the Open Mobile Alliance as of Leshan's demo server 2.0.0-M4, those of
 * leshan-core, the two of this program's `models/` folder, and an operator's own. For one object and version the later
 * source wins.
 *
 * <p>The registry's files of an object are read when the object is first needed: to read all of them takes a third of a
 * start.
 */
public final class ObjectModels extends LwM2mModelRepository {
    private static final Logger LOG = LoggerFactory.getLogger(ObjectModels.class);
    private static final String[] OWN = {"3303.xml", "3442.xml"};
    /** Unpacked by the build. A test validates its files, so that validation at the start is unnecessary. */
    private static final String REGISTRY = "/registry/models/";

    /** The models that replace the registry's, by object; of several for one version the last one wins. */
    private final Map<Integer, List<ObjectModel>> replacing;
    private final Map<Integer, NavigableMap<Version, ObjectModel>> read = new ConcurrentHashMap<>();

    private ObjectModels(Collection<ObjectModel> replacing) {
        this.replacing = replacing.stream().collect(Collectors.groupingBy(model -> model.id));
    }

    /** Returns every version of every object that the program contains, for a server. */
    public static ObjectModels ofProgram() {
        return new ObjectModels(contained());
    }

    /**
     * Returns {@link #ofProgram()} and the models of a folder's `*.xml`, which replace those of the same version.
     * Files are read in the order of their names. A file that Leshan's schema and model validators refuse is skipped
     * with one line in the log.
     *
     * @throws SettingException if the folder cannot be listed
     */
    public static ObjectModels with(Path folder) {
        DDFFileParser parser = new DDFFileParser(new DefaultDDFFileValidatorFactory());
        ObjectModelValidator validator = new DefaultObjectModelValidator();
        List<ObjectModel> models = contained();
        for (Path file : list(folder)) {
            try (InputStream input = Files.newInputStream(file)) {
                models.addAll(ObjectLoader.loadDdfFile(input, file.getFileName().toString(), parser, validator));
            } catch (IOException | InvalidModelException | InvalidDDFFileException | RuntimeException unusable) {
                LOG.warn("--models: {} is skipped: {}", file, reason(unusable));
            }
        }
        return new ObjectModels(models);
    }

    /** Returns every version of every object, in the order of objects and versions. */
    public List<ObjectModel> all() {
        Set<Integer> objects = new TreeSet<>(Registry.FILES.keySet());
        objects.addAll(replacing.keySet());
        return objects.stream().flatMap(object -> versions(object).values().stream()).toList();
    }

    @Override
    public ObjectModel getObjectModel(Integer object, Version version) {
        return versions(object).get(version);
    }

    @Override
    public ObjectModel getObjectModel(Integer object, String version) {
        return versions(object).get(new Version(version));
    }

    /** Returns the newest version of an object, or null if the object is unknown. */
    @Override
    public ObjectModel getObjectModel(Integer object) {
        Map.Entry<Version, ObjectModel> newest = versions(object).lastEntry();
        return newest == null ? null : newest.getValue();
    }

    private NavigableMap<Version, ObjectModel> versions(int object) {
        // Clients may register any id: what is unknown is not stored.
        if (!Registry.FILES.containsKey(object) && !replacing.containsKey(object)) {
            return Collections.emptyNavigableMap();
        }
        return read.computeIfAbsent(object, each -> {
            NavigableMap<Version, ObjectModel> versions = new TreeMap<>();
            registry(each).forEach(model -> versions.put(new Version(model.version), model));
            replacing.getOrDefault(each, List.of()).forEach(model -> versions.put(new Version(model.version), model));
            return versions;
        });
    }

    /** Returns the newest version of each object, and of leshan-core's the newest of LwM2M 1.1, for a client. */
    public static LwM2mModel newest() {
        ObjectModels registry = new ObjectModels(List.of());
        Map<Integer, ObjectModel> replacing = new HashMap<>();
        ObjectLoader.loadDefault().forEach(model -> replacing.put(model.id, model));
        own().forEach(model -> replacing.put(model.id, model));
        return new LwM2mModel() {
            @Override
            public ResourceModel getResourceModel(int object, int resource) {
                ObjectModel model = getObjectModel(object);
                return model == null ? null : model.resources.get(resource);
            }

            @Override
            public ObjectModel getObjectModel(int object) {
                ObjectModel model = replacing.get(object);
                return model == null ? registry.getObjectModel(object) : model;
            }

            @Override
            public Collection<ObjectModel> getObjectModels() {
                Set<Integer> objects = new TreeSet<>(Registry.FILES.keySet());
                objects.addAll(replacing.keySet());
                return objects.stream().map(this::getObjectModel).toList();
            }
        };
    }

    /** Returns the models of the program that replace the registry's. */
    private static List<ObjectModel> contained() {
        List<ObjectModel> models = new ArrayList<>(ObjectLoader.loadAllDefault());
        models.addAll(own());
        return models;
    }

    private static List<ObjectModel> own() {
        try {
            return ObjectLoader.loadDdfResources("/models/", OWN);
        } catch (IOException | InvalidModelException | InvalidDDFFileException e) {
            throw new IllegalStateException("an object model in the jar cannot be read", e);
        }
    }

    /** Lists the registry once, at first use. */
    private static final class Registry {
        static final Map<Integer, List<String>> FILES = files();

        private static Map<Integer, List<String>> files() {
            try {
                URI folder = ObjectModels.class.getResource(REGISTRY).toURI();
                if (!"jar".equals(folder.getScheme())) {
                    return files(Path.of(folder));
                }
                try (FileSystem jar = FileSystems.newFileSystem(folder, Map.of())) {
                    return files(jar.getPath(REGISTRY));
                }
            } catch (IOException | URISyntaxException e) {
                throw new IllegalStateException("the object registry in the jar cannot be read", e);
            }
        }

        /** Returns the names of the files, such as 3304.xml and 3304-1_0.xml, by object. */
        private static Map<Integer, List<String>> files(Path folder) throws IOException {
            try (Stream<Path> listed = Files.list(folder)) {
                return listed.map(file -> file.getFileName().toString())
                        .collect(Collectors.groupingBy(name -> Integer.valueOf(name.split("[-.]")[0])));
            }
        }
    }

    private static List<ObjectModel> registry(int object) {
        List<ObjectModel> models = new ArrayList<>();
        DDFFileParser parser = new DDFFileParser();
        for (String name : Registry.FILES.getOrDefault(object, List.of())) {
            try (InputStream input = ObjectModels.class.getResourceAsStream(REGISTRY + name)) {
                models.addAll(parser.parse(input, name));
            } catch (IOException | InvalidDDFFileException e) {
                throw new IllegalStateException("the object registry in the jar cannot be read", e);
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
