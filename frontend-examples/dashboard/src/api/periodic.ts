/** Work that is repeated while the page is visible. */

/**
 * Call `work` again and again. The pause begins when the last call has ended, so that calls do not pile up where the server
 * is slow. A hidden page pauses, and calls `work` when it is shown again. Return a function that ends it.
 */
export function periodically(milliseconds: number, work: () => unknown): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  async function tick() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", tick, { once: true });
      return;
    }
    try {
      await work();
    } finally {
      if (!stopped) timer = setTimeout(tick, milliseconds);
    }
  }
  timer = setTimeout(tick, milliseconds);
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", tick);
  };
}
