package org.reveille.leshan;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Settings whose files can be read again while the server runs. A file that cannot be used leaves what was read before in
 * force and costs one line of the log.
 */
public final class Reload {
    private static final Logger LOG = LoggerFactory.getLogger(Reload.class);

    /** Reads the files of one setting again and puts what they hold into force. */
    @FunctionalInterface
    public interface Part {
        /** @throws BadSetting when the files cannot be used; nothing has changed then */
        void reload();
    }

    private final List<Part> parts = new CopyOnWriteArrayList<>();

    public void add(Part part) {
        parts.add(part);
    }

    /** Reloads every part; one that fails does not keep the others from it. */
    public synchronized void run() {
        int failed = 0;
        for (Part part : parts) {
            try {
                part.reload();
            } catch (RuntimeException unusable) {
                failed++;
                LOG.error("not reloaded, the earlier one stays in force: {}", unusable.getMessage());
            }
        }
        // At this level, for it answers what the operator has just done.
        LOG.warn("settings reloaded: {} of {}", parts.size() - failed, parts.size());
    }
}
