package org.reveille.leshan;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.CountDownLatch;
import org.reveille.leshan.json.Json;
import picocli.CommandLine.Option;

/** Starts and stops a program of this jar: one ready line, then it runs until SIGTERM, or until its input closes. */
public final class ProgramLifecycle {
    @Option(names = "--exit-with-stdin",
            description = "Exit when standard input is closed, so that the process does not outlive its parent.")
    private boolean exitWithStdin;

    /** Prints the ready line and blocks; closes the parts, the last first, before the process ends. */
    int run(ObjectNode ready, AutoCloseable... parts) throws InterruptedException {
        CountDownLatch end = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            closeAll(parts);
            end.countDown();
        }, "end"));
        System.out.println(Json.write(ready));
        System.out.flush();
        if (exitWithStdin) {
            awaitStdin();
            return 0;
        }
        end.await();
        return 0;
    }

    private static void awaitStdin() {
        try {
            System.in.transferTo(OutputStream.nullOutputStream());
        } catch (IOException closed) {
            // Equivalent to its end.
        }
    }

    private static void closeAll(AutoCloseable... parts) {
        for (int i = parts.length - 1; i >= 0; i--) {
            try {
                parts[i].close();
            } catch (Exception e) {
                System.err.println("error during shutdown: " + e);
            }
        }
    }
}
