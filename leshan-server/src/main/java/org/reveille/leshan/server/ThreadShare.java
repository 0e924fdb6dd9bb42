package org.reveille.leshan.server;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/** So many threads of a pool and no more, so that others are left for other tasks. Further tasks wait without a thread. */
final class ThreadShare implements Executor {
    private final int most;
    private final Supplier<Executor> pool;
    private final Queue<Runnable> waiting = new ArrayDeque<>();
    private int busy;

    /** @param pool is asked for when a task needs a thread */
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

    /** Runs a task in this thread, which is one of the pool, or later in another one when the share is used up. */
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
