package org.reveille.leshan.server;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/**
 * Limits the number of a pool's threads for some tasks, so that threads remain for others. Further tasks wait without a
 * thread.
 */
final class ThreadShare implements Executor {
    private final int most;
    private final Supplier<Executor> pool;
    private final Queue<Runnable> waiting = new ArrayDeque<>();
    private int busy;

    /**
     * Creates a share.
     *
     * @param pool is called when a task needs a thread
     */
    ThreadShare(int most, Supplier<Executor> pool) {
        this.most = most;
        this.pool = pool;
    }

    /** Runs a task in a thread of the pool. */
    @Override
    public void execute(Runnable task) {
        if (begin(task)) {
            pool.get().execute(() -> work(task));
        }
    }

    /** Runs a task in this thread, which belongs to the pool, or later in another one if the share is used up. */
    void run(Runnable task) {
        if (begin(task)) {
            work(task);
        }
    }

    private synchronized boolean begin(Runnable task) {
        if (busy == most) {
            waiting.add(task);
            return false;
        }
        busy++;
        return true;
    }

    private void work(Runnable task) {
        try {
            task.run();
        } finally {
            Runnable next = end();
            if (next != null) {
                pool.get().execute(() -> work(next));
            }
        }
    }

    private synchronized Runnable end() {
        Runnable next = waiting.poll();
        if (next == null) {
            busy--;
        }
        return next;
    }
}
