package org.reveille.leshan;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reloads settings from files while the server runs. A file that cannot be used leaves the earlier setting in force and
 * causes one line in the log.
 */
public final class Reload {
    private static final Logger LOG = LoggerFactory.getLogger(Reload.class);

    /** Reloads the files of one setting and applies their content. */
    @FunctionalInterface
    public interface Part {
        /**
         * Reloads the files.
         *
         * @throws SettingException if the files cannot be used; then nothing has changed
         */
        void reload();
    }

    private final List<Part> parts = new CopyOnWriteArrayList<>();

    public void add(Part part) {
        parts.add(part);
    }

    /** Reloads every part; the failure of one does not prevent the others. */
    public synchronized void run() {
        int failed = 0;
        for (Part part : parts) {
            try {
                part.reload();
            } catch (RuntimeException unusable) {
                failed++;
                LOG.error("not reloaded, the previous setting stays in effect: {}", unusable.getMessage());
            }
        }
        // At this level because it reports the result of the operator's action.
        LOG.warn("settings reloaded: {} of {}", parts.size() - failed, parts.size());
    }
}
