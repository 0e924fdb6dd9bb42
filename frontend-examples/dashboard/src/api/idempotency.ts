/** Keys under which the server executes a creation once, however often it is sent. */

/** Return a new key. `crypto.randomUUID` would not exist on a page without TLS. */
export function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
