package org.reveille.leshan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.eclipse.leshan.core.model.DefaultObjectModelValidator;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.json.ObjectSpecWriter;
import org.slf4j.LoggerFactory;

class ObjectModelsTest {
    private static final int IN_THE_REGISTRY = 328;

    @TempDir
    private Path folder;

    @Test
    void theRegistryIsKnownInEveryVersionAndValid() throws Exception {
        Set<String> known = new HashSet<>();
        ObjectModels.ofProgram().all().forEach(
                model -> assertTrue(known.add(model.id + " " + model.version), model.toString()));
        Path registry = Path.of(ObjectModels.class.getResource("/registry/models").toURI());
        int files = 0;
        try (Stream<Path> listed = Files.list(registry)) {
            for (Path file : listed.toList()) {
                files++;
                try (InputStream input = Files.newInputStream(file)) {
                    for (ObjectModel model : ObjectLoader.loadDdfFile(input, file.toString(), true)) {
                        assertTrue(known.contains(model.id + " " + model.version), model.toString());
                    }
                }
            }
        }
        assertEquals(IN_THE_REGISTRY, files);
    }

    @Test
    void aFileOfTheOperatorReplacesTheObjectsVersionAndAddsOthers() throws Exception {
        Files.writeString(folder.resolve("3304.xml"), humidity("1.1", "Integer"));
        Files.writeString(folder.resolve("3304-1_9.xml"), humidity("1.9", "String"));
        List<ObjectModel> models = ObjectModels.with(folder).all();
        assertEquals(Type.FLOAT, model(models, 3304, "1.0").resources.get(5700).type);
        assertEquals(Type.INTEGER, model(models, 3304, "1.1").resources.get(5700).type);
        assertEquals(Type.STRING, model(models, 3304, "1.9").resources.get(5700).type);
        assertEquals(ObjectModels.ofProgram().all().size() + 1, models.size());
    }

    @Test
    void anInvalidFileIsLoggedInOneLineAndTheOthersAreLoaded() throws Exception {
        Files.writeString(folder.resolve("1.xml"), "<LWM2M>\n no end");
        Files.writeString(folder.resolve("2.xml"), humidity("one", "Float"));
        Files.writeString(folder.resolve("3.xml"), humidity("1.8", "Number"));
        Files.writeString(folder.resolve("4.xml"), humidity("1.8", "Float").replace("<ObjectID>3304", "<ObjectID>33a"));
        Files.createDirectory(folder.resolve("5.xml"));
        Files.writeString(folder.resolve("6.xml"), humidity("1.9", "Float"));
        ListAppender<ILoggingEvent> log = new ListAppender<>();
        log.start();
        Logger logger = (Logger) LoggerFactory.getLogger(ObjectModels.class);
        logger.addAppender(log);
        try {
            List<ObjectModel> models = ObjectModels.with(folder).all();
            assertEquals(ObjectModels.ofProgram().all().size() + 1, models.size());
        } finally {
            logger.detachAppender(log);
        }
        assertEquals(5, log.list.size(), log.list.toString());
        for (ILoggingEvent event : log.list) {
            assertNull(event.getThrowableProxy());
            assertEquals(1, event.getFormattedMessage().lines().count(), event.getFormattedMessage());
        }
        assertTrue(log.list.get(2).getFormattedMessage().contains("Number"), log.list.get(2).getFormattedMessage());
    }

    @Test
    void aFolderThatCannotBeListedEndsTheStart() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");
        for (Path bad : List.of(folder.resolve("none"), file)) {
            SettingException refused = assertThrows(SettingException.class, () -> ObjectModels.with(bad));
            assertTrue(refused.getMessage().startsWith("--models"), refused.getMessage());
        }
    }

    @Test
    void everyModelCanBeWrittenAsJson() {
        ObjectModels.ofProgram().all().forEach(ObjectSpecWriter::write);
    }

    @Test
    void aClientsObjectsHaveOneVersion() throws Exception {
        List<ObjectModel> newest = List.copyOf(ObjectModels.newest().getObjectModels());
        assertEquals(newest.size(), newest.stream().map(model -> model.id).distinct().count());
        assertEquals("1.1", newest.stream().filter(model -> model.id == 3304).findFirst().orElseThrow().version);
        new DefaultObjectModelValidator().validate(newest, "newest");
    }

    private static ObjectModel model(List<ObjectModel> models, int id, String version) {
        return models.stream().filter(model -> model.id == id && model.version.equals(version)).findFirst()
                .orElseThrow();
    }

    /** The registry's file of object 3304 in another version, and with another type of 5700, its first resource. */
    private static String humidity(String version, String type) throws IOException {
        try (InputStream input = ObjectModelsTest.class.getResourceAsStream("/registry/models/3304.xml")) {
            String xml = new String(input.readAllBytes(), StandardCharsets.UTF_8);
            return xml.replace(":1.1<", ":" + version + "<").replace("<ObjectVersion>1.1", "<ObjectVersion>" + version)
                    .replaceFirst("<Type>Float</Type>", "<Type>" + type + "</Type>");
        }
    }
}
