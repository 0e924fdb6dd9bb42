package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.server.Failure.Code;
import org.reveille.leshan.store.Store;

class RequestLogTest {
    private static final HttpAnswer DONE = HttpAnswer.json(Json.object().put("status", "CHANGED(204)"));
    private static final HttpAnswer TIMEOUT = HttpAnswer.failure(
            new Failure(Code.REQUEST_TIMEOUT, "Request timeout", Delivery.MAY_HAVE_REACHED, null));

    @TempDir
    Path folder;
    private final AtomicLong now = new AtomicLong(1_000_000_000_000L);
    private final List<ObjectNode> published = new ArrayList<>();
    private Store store;
    private RequestLog log;

    @BeforeEach
    void open() throws IOException {
        store = new Store(folder.resolve("test.sqlite"));
        log = RequestLog.open(store, (connection, endpoint, data) -> published.add(data), now::get);
    }

    @AfterEach
    void close() throws Exception {
        store.close();
    }

    @Test
    void anIdBeginsOnce() throws SQLException {
        assertNull(log.begin(request("1/1", "digest")).join());
        RequestEntry known = log.begin(request("1/1", "digest")).join();
        assertEquals(RequestEntry.State.RUNNING, known.state());
        assertEquals("RUNNING", RequestEntry.json("1/1", log.find("1/1")).get("state").asText());
    }

    @Test
    void theResultIsReturnedAndPublished() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, DONE, Delivery.ANSWERED).join();
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
        assertEquals(RequestEntry.REUSED, log.find("1/1").answerTo("another"));
        assertEquals("{\"ep\":\"dev\",\"path\":\"/3/0/4\",\"requestId\":\"1/1\","
                + "\"response\":{\"status\":\"CHANGED(204)\"},\"delayed\":false}", Json.write(published.get(0)));
    }

    @Test
    void anErrorIsStoredAsJsonAndReturnedUnchanged() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, TIMEOUT, Delivery.MAY_HAVE_REACHED).join();
        assertEquals(TIMEOUT, log.find("1/1").answerTo("digest"));
        assertEquals(504, RequestEntry.json("1/1", log.find("1/1")).at("/answer/status").asInt());
        assertEquals("REQUEST_TIMEOUT", published.get(0).at("/error/code").asText());
    }

    @Test
    void aRefusalBeforeAnythingWasSentIsNotStored() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        Failure asleep = Failure.refusal(Code.CLIENT_SLEEPING, "Invalid request: asleep");
        log.end(entry, HttpAnswer.failure(asleep), Delivery.NOT_SENT).join();
        assertNull(log.find("1/1"));
        assertEquals(List.of(), published);
    }

    @Test
    void aClosedIdIsReportedAsNotReceivedAndRefused() throws SQLException {
        log.close("1/1").join();
        assertEquals("{\"id\":\"1/1\",\"state\":\"NOT_RECEIVED\"}",
                Json.write(RequestEntry.json("1/1", log.find("1/1"))));
        RequestEntry known = log.begin(request("1/1", "digest")).join();
        assertEquals(Code.REQUEST_CLOSED, known.answerTo("digest").failure().code());
    }

    @Test
    void closingDoesNotChangeAReceivedId() {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, DONE, Delivery.ANSWERED).join();
        assertEquals(DONE, log.close("1/1").join().answerTo("digest"));
    }

    @Test
    void requestsThatRanWhenTheServerStoppedAreInterrupted() throws Exception {
        log.begin(request("1/1", "digest")).join();
        store.close();
        open();
        assertEquals(Code.INTERRUPTED, log.find("1/1").answerTo("digest").failure().code());
        assertEquals("INTERRUPTED", RequestEntry.json("1/1", log.find("1/1")).get("state").asText());
        assertEquals("INTERRUPTED", published.get(0).at("/error/code").asText());
        store.close();
        open();
        assertEquals(1, published.size());
    }

    @Test
    void anIdIsDeletedAfterADay() throws SQLException {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, DONE, Delivery.ANSWERED).join();
        now.addAndGet(RequestLog.HISTORY_S * 1_000 - 1);
        log.begin(request("1/2", "digest")).join();
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
        now.addAndGet(10_002);
        log.begin(request("1/3", "digest")).join();
        assertNull(log.find("1/1"));
    }

    @Test
    void asManyIdsAreDeletedAsAreAdded() throws Exception {
        for (int i = 0; i < 1_500; i++) {
            keep("old/" + i);
        }
        now.addAndGet(RequestLog.HISTORY_S * 1_000 + 1);
        for (int i = 0; i < 1_000; i++) {
            keep("new/" + i);
        }
        assertEquals(1_000, rows());
    }

    @Test
    void theNumberOfStoredIdsIsLimited() throws Exception {
        log = RequestLog.open(store, (connection, endpoint, data) -> published.add(data), now::get, 100);
        log.begin(request("running/1", "digest")).join();
        for (int i = 0; i < 1_000; i++) {
            keep("1/" + i);
        }
        // The running one, and those that arrived since the last deletion.
        assertTrue(rows() <= 1 + 100 + 500, rows() + " rows");
        assertEquals(RequestEntry.State.RUNNING, log.find("running/1").state());
        assertNull(log.find("1/0"));
        assertEquals(DONE, log.find("1/999").answerTo("digest"));
    }

    @Test
    void aResultThatCannotBeWrittenIsReportedFromMemoryAndWrittenLater() throws Exception {
        AtomicBoolean full = new AtomicBoolean(true);
        log = RequestLog.open(store, (connection, endpoint, data) -> {
            if (full.get()) {
                throw new SQLException("the disk is full");
            }
            published.add(data);
        }, now::get);
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        assertEquals(DONE, log.end(entry, DONE, Delivery.ANSWERED).join());
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
        assertEquals(DONE, log.begin(entry).join().answerTo("digest"));
        assertEquals(RequestEntry.REUSED, log.find("1/1").answerTo("another"));
        assertEquals(RequestEntry.State.DONE, log.close("1/1").join().state());
        assertEquals("RUNNING", state("1/1"));
        full.set(false);
        await(() -> "DONE".equals(state("1/1")));
        assertEquals(1, published.size());
        assertEquals("CHANGED(204)", published.get(0).at("/response/status").asText());
    }

    @Test
    void aResultThatCouldNotBeWrittenUntilTheEndIsInterrupted() throws Exception {
        log = RequestLog.open(store, (connection, endpoint, data) -> {
            throw new SQLException("the disk is full");
        }, now::get);
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        log.end(entry, DONE, Delivery.ANSWERED).join();
        store.close();
        open();
        assertEquals(Code.INTERRUPTED, log.find("1/1").answerTo("digest").failure().code());
    }

    @Test
    void aRefusalThatCannotBeWrittenIsNotStoredEither() throws Exception {
        RequestEntry entry = request("1/1", "digest");
        log.begin(entry).join();
        Failure asleep = Failure.refusal(Code.CLIENT_SLEEPING, "Invalid request: asleep");
        CountDownLatch together = holdWrites();
        CompletableFuture<HttpAnswer> refusal = log.end(entry, HttpAnswer.failure(asleep), Delivery.NOT_SENT);
        CompletableFuture<Integer> full = store.write(connection -> update(connection, "PRAGMA max_page_count = 1",
                "INSERT INTO requests (id, state, received_at, body) VALUES ('x', 'DONE', 0, hex(randomblob(500000)))"));
        together.countDown();
        assertEquals(Code.CLIENT_SLEEPING, refusal.join().failure().code());
        assertThrows(CompletionException.class, full::join);
        assertEquals("RUNNING", state("1/1"));
        assertNull(log.find("1/1"));
        assertNull(log.begin(entry).join());
        log.end(entry, DONE, Delivery.ANSWERED).join();
        Thread.sleep(1_500);
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
    }

    @Test
    void anIdThatCannotBeWrittenIsNotReceived() throws Exception {
        CountDownLatch together = holdWrites();
        CompletableFuture<RequestEntry> refused = log.begin(request("1/1", "digest"));
        store.write(connection -> update(connection, "PRAGMA max_page_count = 1",
                "INSERT INTO requests (id, state, received_at, body) VALUES ('x', 'DONE', 0, hex(randomblob(500000)))"));
        together.countDown();
        assertThrows(CompletionException.class, refused::join);
        assertNull(log.begin(request("1/2", "digest")).join());
        assertNull(log.find("1/1"));
        store.close();
        open();
        assertNull(log.find("1/1"));
        assertEquals(1, published.size());
    }

    @Test
    void aClockThatIsSetAheadDeletesNoId() throws Exception {
        keep("1/1");
        store.write(connection -> update(connection, "UPDATE requests SET received_at = received_at - 691200000")).join();
        now.addAndGet(10_001);
        keep("1/2");
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
    }

    @Test
    void idsOfAnEarlierVersionAreAsOldAsTheStore() throws Exception {
        keep("1/1");
        store.write(connection -> update(connection, "DROP INDEX requests_by_running",
                "ALTER TABLE requests DROP COLUMN running")).join();
        store.close();
        now.set(10_001);
        open();
        keep("1/2");
        assertEquals(DONE, log.find("1/1").answerTo("digest"));
    }

    /** Makes the following writes one group, which begins when the returned latch is counted down. */
    private CountDownLatch holdWrites() throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch together = new CountDownLatch(1);
        store.write(connection -> {
            begun.countDown();
            await(() -> together.getCount() == 0);
            return null;
        });
        begun.await();
        return together;
    }

    private String state(String id) {
        try {
            return store.read(connection -> {
                try (var rows = connection.createStatement().executeQuery(
                        "SELECT state FROM requests WHERE id = '" + id + "'")) {
                    return rows.next() ? rows.getString(1) : null;
                }
            });
        } catch (SQLException unreadable) {
            throw new IllegalStateException(unreadable);
        }
    }

    private static int update(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
            return 0;
        }
    }

    private void keep(String id) {
        RequestEntry entry = request(id, "digest");
        log.begin(entry);
        log.end(entry, DONE, Delivery.ANSWERED).join();
    }

    private long rows() throws SQLException {
        return store.read(connection -> {
            try (var rows = connection.createStatement().executeQuery("SELECT count(*) FROM requests")) {
                rows.next();
                return rows.getLong(1);
            }
        });
    }

    @Test
    void idsHaveTwoSegmentsOfSafeCharacters() {
        assertTrue(RequestLog.isId("3f2a-77/1"));
        assertTrue(RequestLog.isId("a.b~c_d:e/12"));
        for (String none : List.of("", "a", "a/b/c", "/a", "a/", "../a", "a/..", "./a", "a b/1", "ä/1", "a%2F/1")) {
            assertFalse(RequestLog.isId(none), none);
        }
    }

    private static RequestEntry request(String id, String digest) {
        return RequestEntry.running(id, "dev", "/3/0/4", digest);
    }
}
